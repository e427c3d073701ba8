// The page Marketo in Airflow's UI. One plain ES module: no framework, no build.
// Airflow gives it React, in which one component holds a shadow root; everything else is built here by hand.
// Texts come from Marketo and from DAGs, so they are only ever set as text, never as HTML.

const REFRESH_MS = 30_000;
const HERE = new URL("..", import.meta.url); // .../marketo/
const AIRFLOW = new URL("..", HERE);

const STYLE = `
  .page { color: var(--chakra-colors-fg, #222); background: var(--chakra-colors-bg, #fff);
    font: 14px/1.45 system-ui, sans-serif; padding: 16px; box-sizing: border-box; max-width: 1200px; }
  h1 { font-size: 20px; margin: 0 0 4px; } h2 { font-size: 17px; margin: 24px 0 8px; } h3 { font-size: 14px; margin: 12px 0 4px; } .card > h3 { margin-top: 0; }
  a { color: var(--chakra-colors-fg-info, #1d6fd8); }
  a:focus-visible, button:focus-visible, summary:focus-visible, .scroll:focus-visible {
    outline: 2px solid var(--chakra-colors-fg-info, #1d6fd8); outline-offset: 2px; }
  .muted { color: var(--chakra-colors-fg-muted, #666); }
  .cards { display: grid; gap: 12px; grid-template-columns: repeat(auto-fill, minmax(min(100%, 340px), 1fr)); }
  .card { border: 1px solid var(--chakra-colors-border, #ccc); border-radius: 6px; padding: 12px; min-width: 0; }
  .bar { height: 10px; border-radius: 5px; overflow: hidden; background: var(--chakra-colors-bg-emphasized, #ddd); margin: 4px 0; }
  .bar > span { display: block; height: 100%; background: #7c6bc4; }
  .bar.scarce > span { background: #c2410c; }
  .scroll { overflow-x: auto; }
  table { border-collapse: collapse; width: 100%; }
  caption { text-align: start; padding: 4px 0; color: var(--chakra-colors-fg-muted, #666); }
  th, td { text-align: start; padding: 4px 12px 4px 0; border-bottom: 1px solid var(--chakra-colors-border, #ccc); vertical-align: top; }
  td.number, th.number { text-align: end; }
  code { font: 12px ui-monospace, monospace; overflow-wrap: anywhere; }
  .problem { border-inline-start: 4px solid #c2410c; padding-inline-start: 8px; margin: 8px 0; }
  .chart { display: flex; gap: 6px; height: 96px; align-items: flex-end; }
  .chart > div { flex: 1; display: flex; flex-direction: column-reverse; min-width: 0; }
  .ours { background: #7c6bc4; } .others { background: var(--chakra-colors-fg-subtle, #999); }
  .days { display: flex; gap: 6px; font-size: 11px; } .days > span { flex: 1; text-align: center; min-width: 0; overflow: hidden; }
  .key { display: inline-block; width: 10px; height: 10px; margin-inline: 8px 4px; }
  button { font: inherit; color: inherit; background: none; border: 1px solid var(--chakra-colors-border, #999);
    border-radius: 4px; padding: 2px 10px; cursor: pointer; }
`;

function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children.filter((child) => child !== null && child !== undefined).map((child) => child instanceof Node ? child : String(child)));
  return node;
}

function plural(count, noun) {
  return `${count.toLocaleString()} ${noun}${count === 1 ? "" : "s"}`;
}

function span(seconds) {
  if (seconds < 60) return plural(Math.round(seconds), "second");
  if (seconds < 7200) return plural(Math.round(seconds / 60), "minute");
  if (seconds < 172800) return plural(Math.round(seconds / 3600), "hour");
  return plural(Math.round(seconds / 86400), "day");
}

function age(when, now) {
  if (!when) return el("span", { class: "muted" }, "never measured");
  const seconds = Math.max(0, (new Date(now) - new Date(when)) / 1000);
  return el("time", { datetime: when, title: new Date(when).toLocaleString(), class: "muted" }, `measured ${span(seconds)} ago`);
}

function local(when) {
  return el("time", { datetime: when, title: when }, new Date(when).toLocaleString());
}

function taskAddress(row) {
  const path = `dags/${encodeURIComponent(row.dag_id)}/runs/${encodeURIComponent(row.run_id)}/tasks/${encodeURIComponent(row.task_id)}`;
  const mapped = row.map_index >= 0 ? `/mapped/${row.map_index}` : "";
  return new URL(path + mapped, AIRFLOW).href;
}

function actionsLink(row) {
  return el("a", { href: `${taskAddress(row)}/required_actions` }, "Required Actions");
}

function runLink(row) {
  return el("a", { href: taskAddress(row) }, `${row.dag_id}.${row.task_id}${row.map_index >= 0 ? `[${row.map_index}]` : ""}`);
}

function table(caption, heads, rows) {
  const head = el("tr", {}, ...heads.map((text) => el("th", { scope: "col" }, text)));
  const body = rows.map((cells) => el("tr", {}, ...cells.map((cell) => el("td", {}, cell))));
  return el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": caption },
    el("table", {}, el("caption", {}, caption), el("thead", {}, head), el("tbody", {}, ...body)));
}

function bar(label, { used, left, quota }, unit) {
  const part = left > 0 && quota > 0 ? Math.min(1, used / quota) : 1;
  const said = `${used.toLocaleString()} of ${quota.toLocaleString()} ${unit} used, ${left.toLocaleString()} left`;
  const fill = el("span");
  fill.style.width = `${part * 100}%`;
  return el("div", {}, el("div", {}, `${label}: ${said}`),
    el("div", { class: part > 0.9 ? "bar scarce" : "bar", role: "meter", "aria-label": label, "aria-valuemin": "0",
      "aria-valuemax": quota, "aria-valuenow": used, "aria-valuetext": said }, fill));
}

function sum(counts) {
  return Object.values(counts).reduce((total, count) => total + count, 0);
}

function week(usage, now) {
  const days = [...usage.days].reverse();
  const most = Math.max(1, ...days.map((day) => day.total));
  const columns = days.map((day) => {
    const ours = sum(day.by_dag) + day.ours_otherwise;
    const parts = [["ours", ours], ["others", Math.max(0, day.total - ours)]].map(([kind, count]) => {
      const block = el("div", { class: kind });
      block.style.height = `${(count / most) * 90}px`;
      return block;
    });
    return el("div", { title: `${day.date}: ${day.total.toLocaleString()} calls, ${ours.toLocaleString()} of them ours` }, ...parts);
  });
  const rows = days.reverse().map((day) => [
    day.date, day.total.toLocaleString(), (sum(day.by_dag) + day.ours_otherwise).toLocaleString(),
    Object.entries(day.by_dag).map(([dag, count]) => `${dag} ${count.toLocaleString()}`).join(", ") || "unknown",
    Object.entries(day.others).map(([user, count]) => `${user} ${count.toLocaleString()}`).join(", ") || "none",
  ]);
  const codes = Object.entries(usage.errors).map(([code, count]) => `${code}: ${count.toLocaleString()}`).join(", ");
  return el("div", {},
    el("h3", {}, "Calls of seven days "), age(usage.measured_at, now),
    el("div", { class: "chart", "aria-hidden": "true" }, ...columns),
    el("div", { class: "days", "aria-hidden": "true" }, ...usage.days.map((day) => day.date.slice(5)).reverse().map((day) => el("span", {}, day))),
    el("div", { class: "muted" }, el("span", { class: "key ours" }), "ours", el("span", { class: "key others" }), "others"),
    el("details", {}, el("summary", {}, "By DAG and user"), table("Calls by day", ["day", "all", "ours", "by DAG", "others"], rows)),
    codes ? el("div", { class: "muted" }, `Errors of seven days by code: ${codes}`) : null);
}

function connection(facts, now) {
  const parts = [el("h3", {}, facts.conn_id, facts.instance ? el("span", { class: "muted" }, ` ${facts.instance}`) : null)];
  if (facts.calls) {
    parts.push(age(facts.measured_at, now));
    if (facts.is_new_day) {
      parts.push(el("div", {}, "A new quota day has begun, and nothing has measured it yet."));
    } else {
      parts.push(bar("Calls", facts.calls, "calls"));
      if (facts.calls.reserve) parts.push(el("div", { class: "muted" }, `${facts.calls.reserve.toLocaleString()} calls are reserved for other work than extracts.`));
      if (facts.export_mb.measured_at) {
        parts.push(bar("Bulk export", facts.export_mb, "MB"), age(facts.export_mb.measured_at, now));
      } else {
        parts.push(el("div", { class: "muted" }, "Bulk export: not measured today."));
      }
      parts.push(el("div", {}, "Starts again ", local(facts.resets_at)));
    }
    for (const [name, until] of Object.entries(facts.latches)) {
      parts.push(el("div", { class: "problem" }, `The day's quota of ${name} is spent. Tasks ask again at `, local(until)));
    }
  } else {
    parts.push(el("div", { class: "muted" }, "No task has measured this connection yet."));
  }
  if (facts.exports_by_dag) {
    parts.push(el("div", {}, "Exported today: ", facts.exports_by_dag.map((each) =>
      `${each.dag_id} ${each.mb} MB${each.budget_mb === null ? "" : ` of ${each.budget_mb} MB a day`}`).join(", ")));
  }
  if (facts.pool) {
    const { name, slots, taken } = facts.pool;
    parts.push(el("div", {}, slots ? `Pool ${name}: ${taken} of ${plural(slots, "slot")} taken` : "The pool of the connection does not exist"));
  }
  if (facts.coordination) parts.push(el("div", { class: "muted" }, `Shared by ${facts.coordination.mode}, because ${facts.coordination.reason}`));
  if (facts.usage) parts.push(week(facts.usage, now));
  return el("div", { class: "card" }, ...parts);
}

function waits(facts, now) {
  const rows = facts.tasks.map((task) => [
    runLink(task), task.state, task.pool, task.since ? local(task.since) : "not started",
    task.jobs.length ? el("code", {}, task.jobs.join(", ")) : "",
  ]);
  return [
    facts.connections.length ? el("div", { class: "cards" }, ...facts.connections.map((each) => connection(each, now)))
      : el("p", { class: "muted" }, "There is no Marketo connection in Airflow's database, and no task has used one."),
    rows.length ? table("Tasks that run or wait, and their jobs in Marketo", ["task", "state", "pool", "since", "jobs"], rows)
      : el("p", { class: "muted" }, "No Marketo task runs or waits."),
  ];
}

function promise(row) {
  if (row.promise_seconds === null) return "";
  return row.late ? el("strong", { class: "problem" }, `late: ${span(row.promise_seconds)} is promised`) : span(row.promise_seconds);
}

function fresh(facts) {
  const streams = facts.streams.map((each) => [each.name, each.kind, local(each.time), span(each.lag_seconds), promise(each)]);
  const tables = facts.tables.map((each) => [each.name, el("code", {}, each.place), local(each.time), span(each.lag_seconds), promise(each)]);
  const assets = facts.assets.map((each) => [el("code", {}, each.uri), each.last_event ? local(each.last_event) : "no event yet",
    each.last_event ? span(each.lag_seconds) : "", promise(each)]);
  return [
    streams.length ? table("Streams and watchers", ["name", "kind", "published up to", "behind now", "promised"], streams)
      : el("p", { class: "muted" }, "No stream has a position yet."),
    tables.length ? table("Tables of warehouses", ["table", "in", "has all up to", "behind now", "promised"], tables)
      : el("p", { class: "muted" }, "No task has loaded a table yet."),
    assets.length ? table("Airflow assets of Marketo", ["asset", "last event", "ago", "promised"], assets)
      : el("p", { class: "muted" }, "No DAG names an Airflow asset of Marketo."),
  ];
}

function needs(facts) {
  const faults = facts.faults.map((fault) => el("div", { class: "problem" }, fault.found, " ", el("strong", {}, fault.remedy)));
  const decisions = facts.decisions.map((each) => el("div", { class: "problem" },
    el("div", {}, "It is unknown whether this ran: ", el("strong", {}, each.what)),
    each.dag_id ? el("div", {}, runLink(each), " since ", local(each.since)) : null,
    each.reason ? el("div", { class: "muted" }, each.reason) : null,
    el("div", {}, each.how_to_check),
    each.asks ? el("div", {}, "The task waits for your answer in ", actionsLink(each)) : null,
    el("div", {}, each.asks ? "Or in a shell: " : "When you know: ", el("code", {}, `${each.settle} --sent`), " or ", el("code", {}, "--not-sent"))));
  if (!faults.length && !decisions.length) {
    return [el("p", { class: "muted" }, "Nothing. Ledgers in folders are not shown here: airflow marketo ledger list --ledger URL. "
      + "Faults that need a call to Marketo are found by airflow marketo doctor.")];
  }
  return [...decisions, ...faults];
}

const SECTIONS = [["needs", "What needs me", needs], ["waits", "Why does it wait", waits], ["fresh", "How fresh", fresh]];

function contentOf(part, build, now) {
  let fault = part.error;
  try {
    if (!fault) return build(part, now);
  } catch (error) { // a value of an odd type in one section leaves the others
    fault = `This section cannot be shown (${error.message}).`;
  }
  return [el("p", { class: "problem", role: "alert" }, fault)];
}

function draw(page, facts) {
  const focused = page.getRootNode().activeElement?.getAttribute("data-keep");
  const open = [...page.querySelectorAll("details")].map((each) => each.open);
  const sections = SECTIONS.map(([name, title, build]) => {
    const part = facts[name];
    const content = contentOf(part, build, facts.now);
    return el("section", { "aria-labelledby": `marketo-${name}`, "data-section": name }, el("h2", { id: `marketo-${name}` }, title), ...content);
  });
  const again = el("button", { type: "button", "data-keep": "again" }, "Read again");
  again.addEventListener("click", () => page.dispatchEvent(new Event("again")));
  page.replaceChildren(el("h1", {}, "Marketo"),
    el("p", { class: "muted" }, "Read from Airflow's database at ", local(facts.now), ". This page never calls Marketo. ", again), ...sections);
  [...page.querySelectorAll("details")].forEach((each, index) => { each.open = open[index] ?? false; });
  if (focused) page.querySelector(`[data-keep="${focused}"]`)?.focus();
}

function say(page, text) {
  page.replaceChildren(el("h1", {}, "Marketo"), el("p", { class: "problem", role: "alert" }, text));
}

function start(host) {
  const root = host.shadowRoot ?? host.attachShadow({ mode: "open" });
  const page = el("div", { class: "page" }, "Reading ...");
  root.replaceChildren(el("style", {}, STYLE), page);
  let ended = false;
  async function read() {
    try {
      const reply = await fetch(new URL("facts", HERE), { credentials: "same-origin" });
      if (ended) return;
      if (reply.status === 401) return say(page, "Your session has ended. Log in again, and reload this page.");
      if (reply.status === 403) return say(page, "You are not allowed to see this page. Ask an administrator for the permission to read plugins.");
      if (!reply.ok) return say(page, `Airflow answers with an error (HTTP ${reply.status}). The API server's log says more.`);
      draw(page, await reply.json());
    } catch (error) {
      if (!ended) say(page, `Airflow cannot be reached (${error.message}).`);
    }
  }
  page.addEventListener("again", read);
  const timer = setInterval(() => { if (!document.hidden) read(); }, REFRESH_MS);
  read();
  return () => { ended = true; clearInterval(timer); };
}

function Marketo() {
  const React = globalThis.React;
  const ref = React.useRef(null);
  React.useEffect(() => start(ref.current), []);
  return React.createElement("div", { ref, style: { overflow: "auto", height: "100%" } });
}

// Airflow looks for the name of the app first. A second plugin would overwrite the other name.
globalThis.Marketo = Marketo;
globalThis.AirflowPlugin = Marketo;
export default Marketo;
