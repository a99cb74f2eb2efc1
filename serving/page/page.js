// Renders /openapi.json and asks the service, without a library and without markup from strings:
// all text goes through textContent, so that nothing an answer holds can become an element.
"use strict";

const byId = (id) => document.getElementById(id);

function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== undefined && value !== false) element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

const pretty = (value) => JSON.stringify(value, null, 2);
const percent = (share) => `${(100 * share).toFixed(1)} %`;
const words = (name) => String(name).replaceAll("_", " ");

// The few marks our own descriptions use: **strong**, `code`, [text](address).
function marked(text) {
  const parts = text.split(/(\*\*[^*]+\*\*|`[^`]+`|\[[^\]]+\]\(https?:[^)]+\))/);
  return parts.map((part) => {
    if (part.startsWith("**")) return make("strong", {}, part.slice(2, -2));
    if (part.startsWith("`")) return make("code", {}, part.slice(1, -1));
    const link = part.match(/^\[(.+)\]\((.+)\)$/);
    return link ? make("a", { href: link[2], rel: "noreferrer" }, link[1]) : part;
  });
}

const paragraphs = (text = "") =>
  text
    .trim()
    .split(/\n\s*\n/)
    .filter(Boolean)
    .map((part) => make("p", {}, ...marked(part.replaceAll("\n", " "))));

// ---- schemas

const nameOf = (schema) => schema.$ref.split("/").pop();

function typeOf(schema) {
  if (schema.$ref) return [make("a", { href: `#schema-${nameOf(schema)}` }, nameOf(schema))];
  const choices = schema.anyOf || schema.oneOf;
  if (choices) {
    return choices.flatMap((choice, i) => (i ? [" or ", ...typeOf(choice)] : typeOf(choice)));
  }
  if (schema.enum) return [schema.enum.map((value) => JSON.stringify(value)).join(" or ")];
  if (schema.const !== undefined) return [JSON.stringify(schema.const)];
  if (schema.type === "array") return ["list of ", ...typeOf(schema.items || {})];
  if (schema.type === "object" && schema.additionalProperties) {
    return ["map of name to ", ...typeOf(schema.additionalProperties)];
  }
  return [schema.format ? `${schema.type} (${schema.format})` : schema.type || "any value"];
}

const BOUNDS = {
  minLength: "at least $ characters",
  maxLength: "at most $ characters",
  minItems: "at least $",
  maxItems: "at most $",
  minimum: "from $",
  exclusiveMinimum: "above $",
  maximum: "to $",
};

function boundsOf(schema) {
  const sources = [schema, ...(schema.anyOf || [])];
  return Object.entries(BOUNDS).flatMap(([key, text]) => {
    const source = sources.find((candidate) => candidate[key] !== undefined);
    return source ? [text.replace("$", source[key].toLocaleString("en"))] : [];
  });
}

function schemaCard(name, schema) {
  const required = new Set(schema.required || []);
  const rows = Object.entries(schema.properties || {}).map(([field, property]) =>
    make(
      "tr",
      {},
      make("td", {}, make("code", {}, field)),
      make("td", {}, ...typeOf(property)),
      make(
        "td",
        {},
        ...marked(property.description || ""),
        make(
          "div",
          { class: "small" },
          [required.has(field) ? "always there" : "may be left out", ...boundsOf(property)].join(
            "; ",
          ),
        ),
      ),
    ),
  );
  const head = ["field", "type", "meaning"].map((title) => make("th", {}, title));
  return make(
    "details",
    { class: "card", id: `schema-${name}` },
    make("summary", {}, make("h3", {}, name)),
    make(
      "div",
      { class: "inside" },
      ...paragraphs(schema.description),
      make("table", {}, make("thead", {}, make("tr", {}, ...head)), make("tbody", {}, ...rows)),
    ),
  );
}

// ---- operations

const examplesOf = (media) => Object.values(media.examples || {}).map((named) => named.value);
const bodyExample = (media) => media.example ?? examplesOf(media)[0] ?? media.schema?.examples?.[0];

function responseRow(status, response) {
  const [type, media] = Object.entries(response.content || {})[0] || [];
  const sample = media && bodyExample(media);
  return make(
    "details",
    {},
    make(
      "summary",
      {},
      make("span", { class: `status ${status >= "400" ? "bad" : ""}` }, status),
      ` ${response.description} `,
      make("code", { class: "small" }, type || ""),
    ),
    sample === undefined ? null : make("pre", {}, pretty(sample)),
  );
}

async function ask(method, path, body) {
  const began = performance.now();
  const init = { method, headers: {} };
  if (body !== undefined) {
    init.body = body;
    init.headers["content-type"] = "application/json";
  }
  // Never kept: gone with the page.
  const credential = byId("credential").value.trim();
  if (credential) init.headers.authorization = `Bearer ${credential}`;
  const response = await fetch(path, init);
  const text = await response.text();
  const isJson = (response.headers.get("content-type") || "").includes("json");
  const content = isJson ? JSON.parse(text) : text;
  return { status: response.status, content, milliseconds: performance.now() - began };
}

function shown(result) {
  const status = make(
    "p",
    { class: "small" },
    make("span", { class: `status ${result.status >= 400 ? "bad" : ""}` }, String(result.status)),
    ` in ${result.milliseconds.toFixed(0)} ms`,
  );
  const { content } = result;
  return [status, make("pre", {}, typeof content === "string" ? content : pretty(content))];
}

async function into(element, button, work) {
  button.disabled = true;
  try {
    element.replaceChildren(...(await work()));
  } catch {
    element.replaceChildren(make("p", { class: "warning" }, "The service did not answer."));
  } finally {
    button.disabled = false;
  }
}

function operationCard(path, method, operation) {
  const media = operation.requestBody?.content?.["application/json"];
  const sample = media && bodyExample(media);
  const body =
    media &&
    make("textarea", {
      class: "body",
      rows: String(Math.min(14, pretty(sample).split("\n").length + 1)),
      spellcheck: "false",
      "aria-label": "Request body",
    });
  if (body) body.value = pretty(sample);
  const result = make("div", { "aria-live": "polite" });
  const button = make("button", { type: "button" }, "Send");
  button.addEventListener("click", () =>
    into(result, button, async () => shown(await ask(method.toUpperCase(), path, body?.value))),
  );
  return make(
    "details",
    { class: "card", id: operation.operationId },
    make(
      "summary",
      {},
      make("span", { class: "method" }, method.toUpperCase()),
      make("h3", {}, make("code", {}, path)),
      make("span", { class: "small" }, operation.summary || ""),
    ),
    make(
      "div",
      { class: "inside" },
      ...paragraphs(operation.description),
      ...(media ? [make("h4", {}, "Body: ", ...typeOf(media.schema)), body] : []),
      button,
      result,
      make("h4", {}, "Answers"),
      ...Object.entries(operation.responses).map(([status, response]) =>
        responseRow(status, response),
      ),
    ),
  );
}

function contents(title, links) {
  byId("contents").append(
    make("h2", {}, title),
    ...links.map(([text, target]) => make("a", { href: `#${target}` }, text)),
  );
}

function access(spec) {
  const schemes = Object.values(spec.components.securitySchemes || {});
  byId("schemes").append(
    ...schemes.map((scheme) =>
      make(
        "li",
        {},
        make("code", {}, scheme.name ? `${scheme.name}: …` : `Authorization: Bearer …`),
        " ",
        ...marked(scheme.description || ""),
      ),
    ),
  );
  const operations = Object.values(spec.paths).flatMap((methods) => Object.values(methods));
  const open = operations.every(
    ({ security = [] }) =>
      !security.length || security.some((one) => !Object.keys(one).length),
  );
  byId("open").hidden = !open;
}

function render(spec) {
  access(spec);
  byId("description").replaceChildren(...paragraphs(spec.info.description));
  const operations = Object.entries(spec.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ path, method, operation })),
  );
  contents("Start", [
    ["Who asks", "access"],
    ["Try a ticket", "try"],
  ]);
  for (const tag of spec.tags || []) {
    const own = operations.filter(({ operation }) => operation.tags?.includes(tag.name));
    byId("operations").append(
      make("h2", {}, tag.description || tag.name),
      ...own.map(({ path, method, operation }) => operationCard(path, method, operation)),
    );
    contents(
      tag.name,
      own.map(({ path, operation }) => [path, operation.operationId]),
    );
  }
  const problems = new Map();
  for (const { operation } of operations) {
    for (const response of Object.values(operation.responses)) {
      const media = response.content?.["application/problem+json"];
      for (const problem of media ? examplesOf(media) : []) problems.set(problem.type, problem);
    }
  }
  const byStatus = [...problems.values()].sort((a, b) => a.status - b.status);
  byId("problem-rows").append(
    ...byStatus.map((problem) =>
      make(
        "tr",
        {},
        make("td", {}, String(problem.status)),
        make("td", {}, make("code", {}, problem.type)),
        make("td", {}, problem.title),
      ),
    ),
  );
  const schemas = Object.entries(spec.components.schemas);
  byId("schema-list").append(...schemas.map(([name, schema]) => schemaCard(name, schema)));
  contents("Reference", [
    ["Problems", "problems"],
    ["Schemas", "schemas"],
  ]);
  fillExample(operations);
  openTarget();
}

// ---- the model and the ticket form

function modelState(model) {
  const facts = [make("strong", {}, words(model.state))];
  if (model.version) {
    const labels = Object.entries(model.targets).map(
      ([target, names]) => `${words(target)} (${names.length})`,
    );
    facts.push(" · ", make("code", {}, model.version), ` · answers ${labels.join(", ")}`);
  }
  const state = make("div", {}, make("span", { class: `dot ${model.state}` }), ...facts);
  if (model.reason) state.append(make("div", { class: "small" }, model.reason));
  const warning = model.warning && make("div", { class: "warning" }, model.warning);
  byId("model").replaceChildren(state, ...(warning ? [warning] : []));
}

const bar = (label, share) =>
  make(
    "div",
    { class: "bar" },
    make("span", {}, label),
    make("meter", { min: "0", max: "1", value: String(share), "aria-label": label }),
    make("span", {}, percent(share)),
  );

const REASONS = {
  certified: (answer) =>
    `Above the certified threshold of ${percent(answer.threshold)}: may be routed unseen.`,
  below_threshold: (answer) =>
    `Below the certified threshold of ${percent(answer.threshold)}: a person decides.`,
  class_not_certified: () => "This label holds no certificate: a person decides.",
  degraded: () => "A part of the model did not answer: a person decides.",
};

function targetCard(target, answer) {
  const listed = answer.shortlist.length
    ? answer.shortlist.map((candidate) => bar(candidate.label, candidate.probability))
    : [bar(answer.label, answer.confidence)];
  return make(
    "div",
    { class: `target ${answer.decision}` },
    make(
      "div",
      { class: "head" },
      make("span", { class: "small" }, words(target)),
      make("span", { class: "label" }, answer.label),
      make("span", { class: `badge ${answer.decision}` }, answer.decision),
    ),
    make("p", { class: "small" }, REASONS[answer.reason]?.(answer) ?? words(answer.reason)),
    ...listed,
  );
}

function fillExample(operations) {
  const predict = operations.find(({ path }) => path === "/v1/predict");
  const sample = bodyExample(predict.operation.requestBody.content["application/json"]);
  const form = byId("ticket");
  form.elements.subject.value = sample.subject;
  form.elements.text.value = sample.text;
}

byId("ticket").addEventListener("submit", (event) => {
  event.preventDefault();
  const { subject, text } = event.target.elements;
  const body = JSON.stringify({ subject: subject.value, text: text.value });
  into(byId("answer"), event.submitter, async () => {
    const result = await ask("POST", "/v1/predict", body);
    if (result.status !== 200) return shown(result);
    return [
      ...Object.entries(result.content.targets).map(([name, answer]) => targetCard(name, answer)),
      make(
        "p",
        { class: "small" },
        `answered in ${result.milliseconds.toFixed(0)} ms by `,
        make("code", {}, result.content.bundle),
      ),
    ];
  });
});

function openTarget() {
  const target = location.hash && document.getElementById(location.hash.slice(1));
  if (target instanceof HTMLDetailsElement) {
    target.open = true;
    target.scrollIntoView();
  }
}

async function refreshModel() {
  try {
    const { status, content } = await ask("GET", "/v1/model");
    modelState(status === 200 ? content : { state: "unreachable", reason: content.title });
    if (content.state === "loading") setTimeout(refreshModel, 1000);
  } catch {
    modelState({ state: "unreachable", reason: "The service did not answer." });
  }
}

byId("credential").addEventListener("change", refreshModel);
addEventListener("hashchange", openTarget);
ask("GET", "/openapi.json").then(({ content }) => render(content));
refreshModel();
