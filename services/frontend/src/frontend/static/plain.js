/* For browsers that could not run the page's modules: asks for the state, and shows it. ES5. */
(function () {
  var root = document.documentElement, number = document.getElementById("number");
  function ask() {
    if (root.hasAttribute("data-live")) return;
    var room = JSON.parse(document.getElementById("data").textContent).room;
    var request = new XMLHttpRequest();
    request.open("GET", "/api/rooms/" + room);
    request.onload = function () {
      if (request.status !== 200 || root.hasAttribute("data-live")) return;
      var state = JSON.parse(request.responseText).state;
      number.textContent = state.remaining === null ? "" : state.remaining;
      number.setAttribute("data-size", Math.max(2, String(state.remaining).length));
      root.setAttribute("data-status", state.status);
      document.getElementById("caption").textContent =
        { idle: "ready", scheduled: "starting soon", cancelled: "cancelled" }[state.status] || "";
      var words = document.getElementById("status-words");
      if (words) words.textContent = "simple page, once a second";
    };
    request.send();
    setTimeout(ask, 500);
  }
  setTimeout(ask, 2000);
})();
