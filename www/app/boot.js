// Says in words that the page did not start, and mends what it can. A classic script in old words: it has to run where
// modules do not.
//
// A damaged module may sit in the browser's own cache for as long as its address lives. So all modules are fetched again past
// it, and the page is loaded once more where that brought something new, or was not tried just now. Otherwise the words stay.
(function () {
  'use strict';
  var STARTED = 'ready'; // the class that main.js gives the page
  var TRIED = 'selvedge.restarted';
  var PATIENCE = 20000; // ms
  var AGAIN = 60000; // ms between two restarts that bring nothing new
  var PAUSE = 1000; // ms between any two restarts
  var failed = false;

  function started() {
    return document.documentElement.classList.contains(STARTED);
  }

  function say() {
    var place = document.getElementById('boot');
    if (!place) return document.addEventListener('DOMContentLoaded', say);
    if (started()) return;
    place.hidden = false;
    place.querySelector('button').onclick = function () {
      location.reload();
    };
  }

  /** Never where the browser remembers nothing: the page might restart for ever. */
  function mayRestart(changed) {
    try {
      var since = Date.now() - Number(sessionStorage.getItem(TRIED));
      if (since < (changed ? PAUSE : AGAIN)) return false;
      sessionStorage.setItem(TRIED, String(Date.now()));
      return true;
    } catch (forbidden) {
      return false;
    }
  }

  function read(address, mode) {
    return fetch(address, { cache: mode }).then(function (response) {
      var good = response.ok && /javascript/.test(response.headers.get('content-type'));
      return good ? response.text() : null;
    });
  }

  /** Resolves to `{whole, changed}`: whether all modules have come, and whether one is another than before. */
  function fetchAgain() {
    var links = document.querySelectorAll('link[rel=modulepreload], script[src]');
    return Promise.all(
      Array.prototype.map.call(links, function (link) {
        var address = link.href || link.src;
        return read(address, 'force-cache').then(function (before) {
          return read(address, 'reload').then(function (now) {
            return { missing: now === null, changed: now !== before };
          });
        });
      }),
    ).then(function (all) {
      var some = function (what) {
        return all.some(function (one) {
          return one[what];
        });
      };
      return { whole: !some('missing'), changed: some('changed') };
    });
  }

  function fail(event) {
    var ofScript = event.type !== 'error' || event.target === window || event.target.tagName === 'SCRIPT';
    if (failed || started() || !ofScript) return;
    failed = true;
    say();
    fetchAgain().then(
      function (found) {
        if (found.whole && mayRestart(found.changed)) location.reload();
      },
      function () {},
    );
  }

  addEventListener('error', fail, true);
  addEventListener('unhandledrejection', fail);
  setTimeout(say, PATIENCE);
})();
