import js from "@eslint/js";
import globals from "globals";

const PARSES_HTML = "Text from users must never be parsed as HTML: build elements with element().";

export default [
  { ignores: ["public/docs/swagger-ui/"] }, // not ours
  js.configs.recommended,
  {
    files: ["public/**/*.js"],
    languageOptions: { globals: globals.browser },
  },
  {
    linterOptions: { reportUnusedDisableDirectives: "error" },
    rules: {
      curly: "error",
      eqeqeq: "error",
      "no-console": "error", // the browser tests fail on console errors: only real faults go there
      "no-implicit-coercion": "error",
      "no-shadow": "error",
      "no-var": "error",
      "object-shorthand": "error",
      "prefer-const": "error",
      "prefer-template": "error",
      "max-lines": ["error", 350], // a longer module holds a second noun
      // The Content-Security-Policy refuses these at run time.
      "no-eval": "error",
      "no-implied-eval": "error",
      "no-new-func": "error",
      "no-script-url": "error",
      "no-restricted-properties": [
        "error",
        ...["innerHTML", "outerHTML", "insertAdjacentHTML", "setHTMLUnsafe"].map((property) => ({
          property,
          message: PARSES_HTML,
        })),
        { object: "document", property: "write", message: PARSES_HTML },
      ],
    },
  },
];
