/**
 * Return a new element. Strings in `children` become text nodes, never HTML.
 *
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Record<string, string>} [attributes]
 * @param {...(Node | string)} children
 * @returns {HTMLElementTagNameMap[Tag]}
 */
export function element(tag, attributes = {}, ...children) {
  const created = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    created.setAttribute(name, value);
  }
  created.append(...children);
  return created;
}

/**
 * Return the name of a user or room for use in a sentence, as an element of its own: a name that
 * reads like a sentence must be recognizable as a name.
 *
 * @param {string} text
 */
export function nameElement(text) {
  return element("bdi", { class: "name" }, text);
}

/**
 * Template tag that returns the parts of a sentence, with each name as an element:
 * sentence`${user} left.`
 *
 * @param {TemplateStringsArray} texts
 * @param {...string} names
 * @returns {(Node | string)[]}
 */
export function sentence(texts, ...names) {
  return texts.flatMap((text, index) => {
    const name = names[index];
    return name === undefined ? [text] : [text, nameElement(name)];
  });
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
