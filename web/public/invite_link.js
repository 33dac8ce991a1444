const JOIN = "#join/";

/**
 * Return the link that opens this page with an invite code.
 *
 * @param {string} code
 */
export function inviteLink(code) {
  return `${location.origin}${location.pathname}${JOIN}${code}`;
}

/**
 * Return the invite code in a link, or in text that is the code itself.
 *
 * @param {string} text
 */
export function inviteCode(text) {
  const at = text.indexOf(JOIN);
  return (at === -1 ? text : text.slice(at + JOIN.length)).trim();
}
