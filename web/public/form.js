import { explain } from "./problem.js";

/**
 * Run `action` with the form's fields whenever it is submitted, once at a time, and show beside
 * the form why it did not work.
 *
 * @param {HTMLFormElement} form
 * @param {AbortSignal} signal ends it
 * @param {(fields: Record<string, string>) => Promise<void>} action
 */
export function onSubmit(form, signal, action) {
  const error = form.querySelector(".error");
  let busy = false;

  /** @param {string} text */
  function show(text) {
    if (error) {
      error.textContent = text;
    }
  }

  show("");
  form.addEventListener(
    "submit",
    async (event) => {
      event.preventDefault();
      if (busy) {
        return;
      }
      const fields = Object.fromEntries(
        [...new FormData(form)].map(([name, value]) => [name, String(value)]),
      );
      busy = true;
      form.setAttribute("aria-busy", "true");
      show("");
      try {
        await action(fields);
      } catch (failure) {
        if (!signal.aborted) {
          show(explain(failure));
        }
      } finally {
        busy = false;
        form.removeAttribute("aria-busy");
      }
    },
    { signal },
  );
}
