// Part of the URL after `#`: an open product, a comparison, or a search by products with its filters.
//
//   #product=ID    #compare=ID&compare=ID    #like=ID&unlike=ID&among=shoes&brand=Acme&sort=price_up
//
// A product and a comparison are dialogs in front of a search. The state of their history entry keeps the address of that
// search (`behind`), so that closing the dialog or reloading the page returns to it.

const dialogs = []; // {dialog, read, open, close}
let onSearch = () => {};
let behind = ''; // address of the search, without `#`

const currentParams = () => new URLSearchParams(location.hash.slice(1));

/** Returns the parameters of the search in the URL, or of the search behind an open dialog. */
export const searchParams = () => new URLSearchParams(behind);

/**
 * Connects a dialog to the URL. Back and every way to close the dialog do the same.
 * @param {HTMLDialogElement} dialog
 * @param {(params: URLSearchParams) => string|string[]|null} read returns the content that the URL asks for, or null
 * @param {(content: string|string[]) => void} open
 * @param {() => void} close called when the dialog is closed
 */
export function addDialog(dialog, read, open, close) {
  dialogs.push({ dialog, read, open, close });
  dialog.addEventListener('close', () => {
    close();
    if (read(currentParams()) === null) return; // the URL has changed already
    if (history.state?.own) history.back();
    else replaceAddress(behind);
  });
  // A click on the backdrop is a click on the dialog itself.
  dialog.addEventListener('click', (event) => event.target === dialog && dialog.close());
}

/**
 * Follows the URL, now and whenever it changes.
 * @param {(params: URLSearchParams) => void} onSearchChange called with the parameters of a search that the visitor opens
 */
export function watchAddress(onSearchChange) {
  onSearch = onSearchChange;
  addEventListener('hashchange', () => {
    // An entry that the browser has just made has no state. The entry before it is of this page.
    if (isDialog() && !history.state?.own) history.replaceState({ own: true, behind }, '');
    follow();
  });
  if (isDialog()) behind = history.state?.behind ?? '';
  follow();
}

/**
 * Writes the parameters of a search to the URL.
 * @param {URLSearchParams} params
 * @param {boolean} push true to make a history entry. The entry of an open dialog is always replaced
 */
export function writeSearch(params, push) {
  const address = params.toString();
  const isNew = push && !isDialog() && address !== behind;
  behind = address;
  if (isNew) history.pushState(null, '', urlOf(address));
  else replaceAddress(address);
  for (const { dialog } of dialogs) dialog.close();
}

/** Opens a link to a dialog. It takes the place of the history entry of an open dialog. */
export function openLink(link) {
  if (!isDialog()) return void (location.hash = link);
  history.replaceState({ own: history.state?.own, behind }, '', link);
  follow();
}

/** Returns the link to a product. */
export const productLink = (id) => `#product=${encodeURIComponent(id)}`;

/** Returns the link to a comparison of products. */
export const compareLink = (ids) => `#${ids.map((id) => `compare=${encodeURIComponent(id)}`).join('&')}`;

function follow() {
  const params = currentParams();
  for (const { dialog, read, open } of dialogs) {
    const content = read(params);
    if (content !== null) open(content);
    else dialog.close();
  }
  if (!isDialog()) behind = location.hash.slice(1);
  onSearch(searchParams());
}

const isDialog = () => dialogs.some(({ read }) => read(currentParams()) !== null);

const replaceAddress = (address) => history.replaceState(null, '', urlOf(address));

const urlOf = (address) => location.pathname + location.search + (address && `#${address}`);
