// First script of the page. It chooses the language before the first paint, allows the URLs of workers, and shows a notice
// if the page does not start. A classic script in ES5: it has to run in browsers without modules.
//
// The texts in index.html are English. For another language the page stays blank until its texts are there, so that no English
// text flashes up.
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
  var LANGUAGES = { en: 'en', zh: 'zh-Hans' }; // values of `lang`
  var STORED_LANGUAGE = 'selvedge.language'; // key in localStorage, set by i18n.js
  var BLANK_CLASS = 'wording'; // hides the page
  var BLANK_LIMIT = 3000; // longest time that the page stays blank, ms
  var WORKER = /\/(?:[\w-]*worker|sw)\.js$/;
  var root = document.documentElement;
  var ownUrl = document.currentScript.src;
  var failed = false;

  allowWorkers();
  showLanguage(chooseLanguage());

  /** Allows scripts of workers if they are files of this site. Trusted Types forbid all other script URLs. */
  function allowWorkers() {
    if (!window.trustedTypes) return;
    trustedTypes.createPolicy('default', {
      createScriptURL: function (text) {
        var url = new URL(text, document.baseURI);
        if (url.origin === location.origin && WORKER.test(url.pathname)) return text;
        throw new TypeError('no worker of this site: ' + text);
      },
    });
  }

  /** Returns the visitor's last choice, or else the first supported language of the browser. */
  function chooseLanguage() {
    var wanted = [].concat(navigator.languages || navigator.language || []);
    try {
      wanted.unshift(localStorage.getItem(STORED_LANGUAGE));
    } catch (forbidden) {
      // the browser's languages remain
    }
    for (var i = 0; i < wanted.length; i++) {
      var code = String(wanted[i]).slice(0, 2).toLowerCase();
      if (LANGUAGES.hasOwnProperty(code)) return code;
    }
    return 'en';
  }

  /** Writes the texts of a language into the page, before it is shown. i18n.js uses `selvedgeTexts`, too. */
  function showLanguage(language) {
    root.dataset.language = language;
    if (language === 'en' || !window.fetch) return;
    root.lang = LANGUAGES[language];
    root.classList.add(BLANK_CLASS);
    setTimeout(endBlank, BLANK_LIMIT);
    window.selvedgeTexts = fetch(ownUrl.replace(/app\/boot\.js.*$/, 'i18n/' + language + '.json'))
      .then(function (response) {
        return response.ok ? response.json() : null;
      })
      .catch(function () {
        return null;
      });
    window.selvedgeTexts.then(function (texts) {
      if (document.readyState !== 'loading') return writeTexts(texts);
      document.addEventListener('DOMContentLoaded', function () {
        writeTexts(texts);
      });
    });
  }

  function writeTexts(texts) {
    if (!texts && !hasStarted()) root.lang = 'en';
    if (texts && !hasStarted()) {
      document.title = texts.document || document.title;
      forEach(document.querySelectorAll('[data-i18n]'), function (node) {
        node.textContent = texts[node.dataset.i18n] || node.textContent;
      });
      forEach(document.querySelectorAll('[data-i18n-label]'), function (node) {
        node.setAttribute('aria-label', texts[node.dataset.i18nLabel] || '');
      });
    }
    endBlank();
  }

  function endBlank() {
    root.classList.remove(BLANK_CLASS);
  }

  function forEach(list, act) {
    Array.prototype.forEach.call(list, act);
  }

  function hasStarted() {
    return root.classList.contains(STARTED_CLASS);
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
