"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const at = (id) => document.getElementById(id);
  // All texts of the data are written as text, never as markup.
  const make = (tag, text, name) => {
    const element = document.createElement(tag);
    if (text !== undefined) element.textContent = text;
    if (name) element.className = name;
    return element;
  };
  const percent = (p) => (p > 0 && p < 0.001 ? "<0.1 %" : (100 * p).toFixed(1) + " %");
  // Without the sign of what rounds to zero.
  const number = (x, digits) => (x === null || x === undefined ? "–" : x.toFixed(digits).replace(/^-(0\.0*)$/, "$1"));
  // Where a server plays, the last step of the only episode is still to be decided.
  const live = data.live === true;
  if (live) Object.assign(data, { players: [], episodes: [], pictures: [], curves: { decisions: [] }, warnings: [] });
  let names = [];
  let episode = 0;
  let step = 0;
  let timer = null;

  function introduce() {
    at("title").textContent = data.env.replace(/^twosome\//, "");
    at("about").textContent =
      `${data.run}: ${data.model}, ${data.decisions.toLocaleString("en")} decisions of training. ` +
      data.players.map((player) => `${player.name}: ${player.says}`).join("; ") + ".";
    document.title = `${at("title").textContent}, ${data.run} – twosome watch`;
  }

  function describe() {
    names = data.players.map((player) => player.name);
    ["episode", "tokens", "legend"].forEach((id) => at(id).replaceChildren());
    introduce();
    data.episodes.forEach((found, i) => {
      const end = found.return === null
        ? `first ${found.steps.length} decisions`
        : `return ${number(found.return, 3)}, ${found.success ? "success" : "no success"}`;
      const option = make("option", `${names[found.player]} plays, seed ${found.seed}: ${end}`);
      option.value = String(i);
      at("episode").append(option);
    });
    [["off", "off"], ...names.map((name, i) => [String(i), name])].forEach(([value, text]) => {
      const known = value === "off" || data.episodes.some((e) => e.steps.some((s) => s.actions.some((a) => a.tokens[+value])));
      if (!known) return;
      const option = make("option", text === "off" ? "off" : `as ${text} reads them`);
      option.value = value;
      at("tokens").append(option);
    });
    names.forEach((name, i) => at("legend").append(make("li", `probability, ${name}`, i ? "two" : "one")));
  }

  const isOpen = () => live && data.episodes[episode].open;
  const count = () => data.episodes[episode].steps.length - (isOpen() ? 1 : 0);
  const go = (to) => {
    if (to > count() && isOpen()) return advance(null);
    step = Math.max(0, Math.min(count(), to));
    draw();
  };
  const isOver = () => step >= count() && !isOpen();
  const stop = () => {
    clearInterval(timer);
    timer = null;
    at("play").textContent = "Play";
  };
  const toggle = () => {
    if (timer !== null) return stop();
    if (isOver()) step = -1;
    go(step + 1);
    timer = setInterval(() => (isOver() ? stop() : go(step + 1)), 1400);
    at("play").textContent = "Stop";
  };

  const color = (logp) => "t t" + [-1, -2.5, -5, -8].filter((least) => logp < least).length;
  const phraseOf = (action) => {
    const which = at("tokens").value;
    const tokens = which === "off" ? null : action.tokens[+which];
    const phrase = make("span", undefined, "phrase");
    if (!tokens) phrase.textContent = action.phrase;
    else
      tokens.forEach(([text, logp]) => {
        const token = make("span", text.trim() || "_", color(logp));
        token.title = `${number(logp, 2)} nats`;
        token.append(make("small", number(logp, 1)));
        phrase.append(token);
      });
    return phrase;
  };
  const barOf = (p, i) => {
    const row = make("div", undefined, "row");
    const track = make("div", undefined, "track");
    const bar = make("div", undefined, i ? "bar-two" : "bar-one");
    bar.style.width = `${100 * p}%`;
    track.append(bar);
    const value = make("span", percent(p), "p");
    value.title = names[i];
    row.append(track, value);
    return row;
  };
  const fact = (name, value) => at("facts").append(make("dt", name), make("dd", value));

  const taking = (action) => {
    const button = make("button", "Take", "take");
    button.type = "button";
    button.setAttribute("aria-label", `Take: ${action.phrase}`);
    button.addEventListener("click", async () => {
      stop();
      await advance(action.id);
      (at("actions").querySelector("button") || at("back")).focus();
    });
    return button;
  };

  function draw() {
    if (!live) history.replaceState(null, "", `#episode=${episode}&step=${step}&tokens=${at("tokens").value}`);
    const found = data.episodes[episode];
    const over = isOver();
    const shown = over ? null : found.steps[step];
    const picture = over ? found.last_picture : shown.picture;
    at("picture").hidden = picture === null;
    if (picture !== null) {
      at("picture").src = data.pictures[picture];
      at("picture").alt = over ? "The environment at the end" : `The environment before decision ${step + 1}`;
    }
    at("unseen").textContent = picture !== null ? "" : data.pictures.length
      ? "No picture of this step: the page would have become too large." : "This environment draws no pictures.";
    at("scrub").max = String(count());
    at("scrub").value = String(step);
    at("where").textContent = over ? "end" : isOpen() ? `${step + 1}` : `${step + 1} of ${count()}`;
    at("scrub").setAttribute("aria-valuetext", at("where").textContent);
    at("back").disabled = at("first").disabled = step === 0;
    at("next").disabled = over;
    at("last").disabled = step >= count();
    at("facts").replaceChildren();
    at("actions").replaceChildren();
    at("legend").hidden = over;
    if (over) {
      at("prompt").textContent = found.return === null ? "The episode goes on; no more of it is kept here." : "The episode is over.";
      fact("return", number(found.return, 3));
      at("verdict").textContent = found.return === null ? "" : found.success ? "The task is done." : "The task was not done.";
      return;
    }
    at("prompt").textContent = shown.prompt + " …";
    if (shown.value !== null) fact("critic's value", number(shown.value, 3));
    fact("return so far", number(shown.earned, 3));
    if (shown.reward !== null) fact("reward of this action", number(shown.reward, 3));
    if (shown.primitive_steps !== 1) fact("primitive steps", String(shown.primitive_steps));
    const order = [...shown.actions].sort((a, b) => b.p[0] - a.p[0] || a.id - b.id);
    order.forEach((action) => {
      const chosen = action.id === shown.action;
      const item = make("li", undefined, chosen ? "chosen" : "");
      const head = make("div", undefined, "head");
      head.append(phraseOf(action));
      if (chosen) head.append(make("span", `chosen by ${shown.by_hand ? "you" : names[found.player]}`, "tag"));
      if (shown.action === null) head.append(taking(action));
      item.append(head, ...action.p.map(barOf));
      at("actions").append(item);
    });
    const said = shown.action === null ? found.steps[step - 1] : shown;
    const phrase = said && said.actions.find((action) => action.id === said.action)?.phrase;
    at("verdict").textContent = timer === null && phrase !== undefined ? `${said.by_hand ? "You" : names[found.player]} chose: ${phrase}` : "";
  }

  at("episode").addEventListener("change", () => {
    episode = Number(at("episode").value);
    stop();
    go(0);
  });
  at("tokens").addEventListener("change", draw);
  at("scrub").addEventListener("input", () => { stop(); go(Number(at("scrub").value)); });
  at("first").addEventListener("click", () => { stop(); go(0); });
  at("back").addEventListener("click", () => { stop(); go(step - 1); });
  at("next").addEventListener("click", () => { stop(); go(step + 1); });
  at("last").addEventListener("click", () => { stop(); go(count()); });
  at("play").addEventListener("click", toggle);
  document.addEventListener("keydown", (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    const own = event.target.tagName;
    if (own === "SELECT" || own === "INPUT" || (own === "BUTTON" && event.key === " ")) return;
    const moves = { ArrowLeft: step - 1, ArrowRight: step + 1, Home: 0, End: count() };
    if (event.key === " ") toggle();
    else if (event.key in moves) { stop(); go(moves[event.key]); }
    else return;
    event.preventDefault();
  });

  const titles = { return_mean: "return, mean of the last 100 episodes", success_rate: "success, of the last 100 episodes",
    entropy_share: "entropy, share of the greatest", approx_kl: "KL divergence of an update",
    explained_variance: "explained variance of the critic", temperature: "temperature" };
  const svg = (tag, attributes, text) => {
    const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
    Object.entries(attributes).forEach(([name, value]) => element.setAttribute(name, value));
    if (text !== undefined) element.textContent = text;
    return element;
  };
  function curve(name, xs, ys) {
    const points = xs.map((x, i) => [x, ys[i]]).filter(([, y]) => y !== null);
    if (!points.length) return;
    const [width, height, left, bottom, top] = [320, 170, 46, 22, 8];
    const low = Math.min(...points.map(([, y]) => y));
    const high = Math.max(...points.map(([, y]) => y));
    const spread = high - low || 1;
    const end = xs[xs.length - 1] || 1;
    const px = (x) => left + ((width - left - 8) * x) / end;
    const py = (y) => height - bottom - ((height - bottom - top) * (y - low)) / spread;
    const figure = make("figure");
    const last = points[points.length - 1][1];
    const drawn = svg("svg", { viewBox: `0 0 ${width} ${height}`, role: "img",
      "aria-label": `${titles[name]}: from ${number(points[0][1], 3)} to ${number(last, 3)}` });
    drawn.append(
      svg("path", { class: "axis", d: `M${left} ${top}V${height - bottom}H${width - 8}` }),
      svg("text", { x: left - 5, y: top + 9, "text-anchor": "end" }, number(high, 2)),
      svg("text", { x: left - 5, y: height - bottom, "text-anchor": "end" }, number(low, 2)),
      svg("text", { x: left, y: height - 6 }, "0"),
      svg("text", { x: width - 8, y: height - 6, "text-anchor": "end" }, `${end.toLocaleString("en")} decisions`),
      svg("path", { class: "line", d: points.map(([x, y], i) => `${i ? "L" : "M"}${px(x).toFixed(1)} ${py(y).toFixed(1)}`).join("") }),
    );
    figure.append(drawn, make("figcaption", `${titles[name]}: ${number(last, 3)} at the end`));
    at("curves").append(figure);
  }
  function drawTraining() {
    ["curves", "warnings"].forEach((id) => at(id).replaceChildren());
    Object.entries(data.curves).forEach(([name, ys]) => name !== "decisions" && curve(name, data.curves.decisions, ys));
    if (!data.curves.decisions.length) at("curves").append(make("p", "No update yet.", "dim"));
    data.warnings.forEach((warning) =>
      at("warnings").append(make("li", `Warning ${warning.code} after ${warning.decisions.toLocaleString("en")} decisions (docs/troubleshooting.md)`)));
  }
  // -- where a server plays ---------------------------------------------------------------------------

  let token = null;
  let busy = false;
  let playing = null;

  async function ask(path, question) {
    const headers = token ? { Authorization: `Bearer ${token}` } : {};
    if (question) headers["Content-Type"] = "application/json";
    const answer = await fetch(path, { method: question ? "POST" : "GET", headers, body: question && JSON.stringify(question) });
    const found = await answer.json();
    if (!answer.ok) throw new Error(answer.status === 401 ? "The server wants its token: open this page with #token=... behind its address." : found.error);
    return found;
  }

  // One question at a time; what goes wrong is said, and the page stays as it is.
  async function asking(what) {
    if (busy) return;
    busy = true;
    document.body.setAttribute("aria-busy", "true");
    try {
      await what();
      at("problem").hidden = true;
    } catch (error) {
      stop();
      at("problem").textContent = error.message;
      at("problem").hidden = false;
    }
    document.body.removeAttribute("aria-busy");
    busy = false;
  }

  const kept = (picture) => (picture === null ? null : data.pictures.push(picture) - 1);
  const pictured = (situation) => ({ ...situation, picture: kept(situation.picture) });

  function advance(action) {
    return asking(async () => {
      const found = data.episodes[0];
      const answer = await ask("step", { episode: playing, action });
      Object.assign(found.steps[found.steps.length - 1],
        { action: answer.action, by_hand: answer.by_hand, reward: answer.reward, primitive_steps: answer.primitive_steps });
      found.open = answer.situation !== null;
      if (found.open) found.steps.push(pictured(answer.situation));
      else Object.assign(found, { last_picture: kept(answer.last_picture), return: answer.return, success: answer.success });
      step = count();
      draw();
    });
  }

  function restart() {
    return asking(async () => {
      stop();
      const players = [0, 1].map((i) => ({ name: at(`player${i}`).value, normalization: at(`norm${i}`).value || null }));
      const seed = Math.trunc(Number(at("seed").value));
      const answer = await ask("restart", { env: at("env").value, seed, players });
      playing = answer.episode;
      data.pictures = [];
      data.env = at("env").value;
      data.players = answer.players;
      data.episodes = [{ player: 0, seed, open: true, steps: [pictured(answer.situation)], last_picture: null, return: null }];
      const tokens = at("tokens").value;
      describe();
      if ([...at("tokens").options].some((option) => option.value === tokens)) at("tokens").value = tokens;
      step = 0;
      draw();
    });
  }

  async function follow() {
    try {
      Object.assign(data, await ask("progress"));
      drawTraining();
      introduce();
    } catch { /* the next time */ }
    setTimeout(follow, 5000);
  }

  const offer = (id, values, value) => {
    values.forEach(([name, shown]) => {
      const option = make("option", shown);
      option.value = name;
      at(id).append(option);
    });
    at(id).value = value;
  };

  async function begin() {
    const given = new URLSearchParams(location.hash.slice(1)).get("token");
    if (given) sessionStorage.setItem("token", given);
    history.replaceState(null, "", location.pathname);
    token = sessionStorage.getItem("token");
    document.body.classList.add("live");
    at("live").hidden = false;
    let choices;
    await asking(async () => {
      choices = await ask("choices");
      Object.assign(data, { run: choices.run, model: choices.model }, await ask("progress"));
    });
    if (!choices) return;
    offer("env", choices.envs.map((name) => [name, name.replace(/^twosome\//, "")]), choices.env);
    at("seed").value = String(choices.seed);
    choices.players.forEach((player, i) => {
      offer(`player${i}`, choices.names.map((name) => [name, name]), player.name);
      offer(`norm${i}`, [["", "its own"], ...choices.normalizations.map((name) => [name, name])], "");
    });
    at("live").addEventListener("submit", (event) => { event.preventDefault(); restart(); });
    await restart();
    drawTraining();
    setTimeout(follow, 5000);
  }

  if (live) return void begin();
  describe();
  drawTraining();
  // The address names the moment, so that it can be sent to somebody: #episode=0&step=2&tokens=0
  const asked = new URLSearchParams(location.hash.slice(1));
  const whole = (name, below) => {
    const value = Number(asked.get(name));
    return Number.isInteger(value) && value > 0 && value < below ? value : 0;
  };
  episode = whole("episode", data.episodes.length);
  at("episode").value = String(episode);
  if ([...at("tokens").options].some((option) => option.value === asked.get("tokens"))) at("tokens").value = asked.get("tokens");
  go(whole("step", count() + 1));
})();
