// Shows a notice if the page does not start, and tries to repair it. A classic script in ES5: it has to run in browsers
// without modules.
//
// A damaged module may stay in the HTTP cache for as long as its URL is used. So this script fetches all modules again with
// `cache: 'reload'`. It then reloads the page if a module has changed, or if the last restart was a while ago. Otherwise
// the notice stays.
(function () {
  'use strict';
  var STARTED_CLASS = 'ready'; // set by main.js
  var LAST_RESTART = 'selvedge.restarted'; // key in sessionStorage
  var START_TIMEOUT = 20000; // ms
  var UNCHANGED_INTERVAL = 60000; // least time between restarts if no module has changed, ms
  var CHANGED_INTERVAL = 1000; // least time between restarts if a module has changed, ms
  var failed = false;

  function hasStarted() {
    return document.documentElement.classList.contains(STARTED_CLASS);
  }

  function showNotice() {
    var notice = document.getElementById('boot');
    if (!notice) return document.addEventListener('DOMContentLoaded', showNotice);
    if (hasStarted()) return;
    notice.hidden = false;
    notice.querySelector('button').onclick = function () {
      location.reload();
    };
  }

  /** True if a restart is allowed. Never true without sessionStorage, because the page might restart in a loop. */
  function mayRestart(changed) {
    try {
      var since = Date.now() - Number(sessionStorage.getItem(LAST_RESTART));
      if (since < (changed ? CHANGED_INTERVAL : UNCHANGED_INTERVAL)) return false;
      sessionStorage.setItem(LAST_RESTART, String(Date.now()));
      return true;
    } catch (forbidden) {
      return false;
    }
  }

  /** Resolves to the text of a script, or to null if the answer is not a script. */
  function fetchScript(url, cacheMode) {
    return fetch(url, { cache: cacheMode }).then(function (response) {
      var isScript = response.ok && /javascript/.test(response.headers.get('content-type'));
      return isScript ? response.text() : null;
    });
  }

  /** Fetches all modules again. Resolves to `{complete, changed}`: all have come; at least one differs from before. */
  function refetchModules() {
    var links = document.querySelectorAll('link[rel=modulepreload], script[src]');
    return Promise.all(
      Array.prototype.map.call(links, function (link) {
        var url = link.href || link.src;
        return fetchScript(url, 'force-cache').then(function (before) {
          return fetchScript(url, 'reload').then(function (now) {
            return { missing: now === null, changed: now !== before };
          });
        });
      }),
    ).then(function (modules) {
      var any = function (property) {
        return modules.some(function (module) {
          return module[property];
        });
      };
      return { complete: !any('missing'), changed: any('changed') };
    });
  }

  function onFailure(event) {
    var concernsScript = event.type !== 'error' || event.target === window || event.target.tagName === 'SCRIPT';
    if (failed || hasStarted() || !concernsScript) return;
    failed = true;
    showNotice();
    refetchModules().then(
      function (found) {
        if (found.complete && mayRestart(found.changed)) location.reload();
      },
      function () {},
    );
  }

  addEventListener('error', onFailure, true);
  addEventListener('unhandledrejection', onFailure);
  setTimeout(showNotice, START_TIMEOUT);
})();
