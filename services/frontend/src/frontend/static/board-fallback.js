/* The fallback for browsers that did not run the board's modules: the page loads itself again. ES5. */
(function () {
  setInterval(function () {
    var focused = document.activeElement;
    var isTyping = focused && (focused.tagName === "INPUT" || focused.tagName === "BUTTON");
    if (!document.documentElement.hasAttribute("data-live") && !isTyping) location.reload();
  }, 4000);
})();
