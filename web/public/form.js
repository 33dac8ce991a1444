import { messageOf } from "./problem.js";

/**
 * Call `action` with the values of the named fields at each submit, one call at a time, and show
 * its error next to the form.
 *
 * @template {string} Name
 * @param {HTMLFormElement} form
 * @param {Name[]} names
 * @param {AbortSignal} signal removes the handler
 * @param {(fields: Record<Name, string>) => Promise<void>} action
 */
export function onSubmit(form, names, signal, action) {
  const error = form.querySelector(".error");
  let busy = false;

  /** @param {string} text */
  function showError(text) {
    if (error) {
      error.textContent = text;
    }
  }

  showError("");
  form.addEventListener(
    "submit",
    async (event) => {
      event.preventDefault();
      if (busy) {
        return;
      }
      const data = new FormData(form);
      const fields = /** @type {Record<Name, string>} */ (
        Object.fromEntries(names.map((name) => [name, String(data.get(name) ?? "")]))
      );
      busy = true;
      form.setAttribute("aria-busy", "true");
      showError("");
      try {
        await action(fields);
      } catch (failure) {
        if (!signal.aborted) {
          showError(messageOf(failure));
        }
      } finally {
        busy = false;
        form.removeAttribute("aria-busy");
      }
    },
    { signal },
  );
}
