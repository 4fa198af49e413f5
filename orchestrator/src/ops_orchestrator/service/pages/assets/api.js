// Draws the calls of the API with Swagger UI, in a tree of its own, so that its sheet and ours stay apart. What stands in the
// place until then is no longer shown.
"use strict";

const draw = SwaggerUIBundle;
const host = document.getElementById("api");
const tree = host.attachShadow({ mode: "open" });
for (const address of host.dataset.sheets.split(" ")) {
  const link = document.createElement("link");
  link.rel = "stylesheet";
  link.href = address;
  tree.append(link);
}
const drawn = document.createElement("div");
tree.append(drawn);

// Its own layout begins a second <main> and repeats what the head of the page says. Calls are sent with the session that shows
// the page, so that there is no key to give.
const withoutHead = ({ React }) => ({
  components: {
    authorizeOperationBtn: () => null,
    Calls: ({ getComponent, specSelectors }) => {
      const part = (name, isContainer) => React.createElement(getComponent(name, isContainer), { key: name });
      const parts = [part("SvgAssets"), part("errors", true)];
      if (specSelectors.specStr()) parts.push(part("operations", true), part("Models", true));
      return React.createElement("div", { className: "swagger-ui" }, parts);
    },
  },
});

draw({
  domNode: drawn,
  url: host.dataset.description,
  plugins: [withoutHead],
  layout: "Calls",
  deepLinking: true,
  defaultModelsExpandDepth: 0,
  // The default asks a service elsewhere to judge the document.
  validatorUrl: null,
});
