/**
 * Return a new element. `children` are elements or text: a string can only ever become text, so
 * nothing that anybody wrote is read as HTML.
 *
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Record<string, string>} [attributes]
 * @param {...(Node | string)} children
 * @returns {HTMLElementTagNameMap[Tag]}
 */
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

/**
 * Return somebody's or a room's name for use in a sentence. It is an element of its own, so that a
 * name which reads like a sentence still shows as one name.
 *
 * @param {string} text
 */
export function name(text) {
  return element("bdi", { class: "name" }, text);
}

/**
 * Return the parts of a sentence, each name in it set apart: sentence`${who} left.`
 *
 * @param {TemplateStringsArray} texts
 * @param {...string} names
 * @returns {(Node | string)[]}
 */
export function sentence(texts, ...names) {
  return texts.flatMap((text, index) => (index ? [name(names[index - 1]), text] : [text]));
}

/**
 * Return the element of the page with this id.
 *
 * @template {HTMLElement} Kind
 * @param {string} id
 * @param {new () => Kind} kind
 * @returns {Kind}
 */
export function byId(id, kind) {
  const found = document.getElementById(id);
  if (!(found instanceof kind)) {
    throw new TypeError(`the page has no ${kind.name} #${id}`);
  }
  return found;
}
