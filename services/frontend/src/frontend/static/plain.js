/* For browsers that could not run the page's modules: asks for the state, and shows it. ES5. */
(function () {
  var root = document.documentElement, number = document.getElementById("number");
  function say(id, text) {
    var part = document.getElementById(id);
    if (part && part.textContent !== text) part.textContent = text;
  }
  function ask() {
    if (root.hasAttribute("data-live")) return;
    root.setAttribute("data-plain", "");
    var request = new XMLHttpRequest();
    request.open("GET", "/api/rooms/" + JSON.parse(document.getElementById("data").textContent).room);
    request.onload = function () {
      if (request.status !== 200 || root.hasAttribute("data-live")) return;
      var state = JSON.parse(request.responseText).state;
      say("number", state.remaining === null ? "" : String(state.remaining));
      number.setAttribute("data-size", Math.max(2, number.textContent.length));
      root.setAttribute("data-status", state.status);
      say("caption", { idle: "ready", scheduled: "starting soon", cancelled: "cancelled" }[state.status] || "");
      say("status-words", "simple page, as of " + new Date().toLocaleTimeString());
    };
    request.send();
    setTimeout(ask, 500);
  }
  setTimeout(ask, 1500);
  /* A browser that knows modules but lacks them lost them on the way, to a change of networks say. */
  setTimeout(function () {
    if (root.hasAttribute("data-live") || !("noModule" in document.createElement("script"))) return;
    try {
      if (sessionStorage.getItem("again")) return;
      sessionStorage.setItem("again", "1");
      location.reload();
    } catch (nothing) { /* no storage, so nothing would end the circle */ }
  }, 4000);
})();
