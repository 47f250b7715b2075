/* The fallback for browsers that did not run the page's modules: polls the state and shows it. ES5. */
(function () {
  var root = document.documentElement, number = document.getElementById("number");
  function setText(id, text) {
    var element = document.getElementById(id);
    if (element && element.textContent !== text) element.textContent = text;
  }
  function poll() {
    if (root.hasAttribute("data-live")) return;
    root.setAttribute("data-fallback", "");
    var request = new XMLHttpRequest();
    request.open("GET", root.getAttribute("data-base") + "/api/rooms/" + JSON.parse(document.getElementById("data").textContent).room);
    request.onload = function () {
      if (request.status !== 200 || root.hasAttribute("data-live")) return;
      var state = JSON.parse(request.responseText).state;
      var isOver = state.status === "finished" && state.after_zero === "count";
      /* Above a day of seconds a tick comes once an hour. */
      var days = state.interval_ms === 1000 && state.remaining >= 86400 ? Math.floor(state.remaining / 86400) + " d " + Math.floor(state.remaining % 86400 / 3600) + " h" : "";
      setText("number", isOver || state.remaining === null ? "" : days || String(state.remaining));
      number.setAttribute("data-size", Math.max(2, Math.min(10, number.textContent.length)));
      root.setAttribute("data-status", isOver ? "overtime" : state.status);
      var shownRuns = document.querySelectorAll(".shown-run");
      for (var i = 0; i < shownRuns.length; i++) shownRuns[i].value = state.run || "";
      setText("caption", isOver ? "over time" : { idle: "ready", scheduled: "starting soon", held: "held", cancelled: "cancelled" }[state.status] || "");
      setText("status-words", "simple page, as of " + new Date().toLocaleTimeString());
    };
    request.send();
    setTimeout(poll, 500);
  }
  setTimeout(poll, 1500);
  /* If a browser knows modules but failed to load one, on a change of networks for example, reload once. */
  setTimeout(function () {
    if (root.hasAttribute("data-live") || !("noModule" in document.createElement("script"))) return;
    try {
      if (sessionStorage.getItem("again")) return;
      sessionStorage.setItem("again", "1");
      location.reload();
    } catch (denied) { /* without storage nothing would stop the page from reloading for ever */ }
  }, 4000);
})();
