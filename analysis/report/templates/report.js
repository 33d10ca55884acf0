"use strict";
// Adds to a page that is complete without it: a crosshair through all charts, the values under it, series on and off,
// and a link to a moment (#t=SECONDS). Texts from the run enter the page as text only, never as markup.
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const moment = document.getElementById("moment");
  const plots = [...document.querySelectorAll("svg[data-begin]")].map((svg) => ({
    svg,
    figure: svg.closest("figure"),
    ...Object.fromEntries(Object.entries(svg.dataset).map(([name, value]) => [name, Number(value)])),
  }));
  let pinned = null;

  const clock = (seconds) => {
    const whole = Math.round(Math.abs(seconds));
    const two = (number) => String(number).padStart(2, "0");
    const hours = Math.floor(whole / 3600);
    const minutes = Math.floor(whole / 60) % 60;
    const text = hours ? `${hours}:${two(minutes)}:${two(whole % 60)}` : `${minutes}:${two(whole % 60)}`;
    return seconds < 0 && whole ? `−${text}` : text;
  };

  const binAt = (seconds) => {
    const bin = Math.floor((seconds - data.starts_s[0]) / data.width_s);
    return bin >= 0 && bin < data.starts_s.length ? bin : null;
  };

  const reading = (panel, series, bin) => {
    const value = bin === null ? null : series.values[bin];
    if (value === null) return "no data";
    if (panel.unit === "share") return `${Number((value * 100).toPrecision(4))} %`;
    const number = value.toLocaleString("en", { maximumSignificantDigits: 4 });
    return ["count", "users"].includes(panel.unit) ? number : `${number} ${panel.unit}`;
  };

  const describe = (seconds) => {
    const at = new Date(data.origin_ms + seconds * 1000).toISOString().slice(11, 19);
    const faults = data.faults.filter((fault) => seconds >= fault.span_s[0] && seconds <= fault.span_s[1]);
    return [`${clock(seconds)} (${at} UTC)`, ...faults.map((fault) => fault.label)].join(" · ");
  };

  const crosshair = (plot) => {
    let line = plot.svg.querySelector(".crosshair");
    if (!line) {
      line = document.createElementNS("http://www.w3.org/2000/svg", "line");
      line.setAttribute("class", "crosshair");
      line.setAttribute("y1", plot.top);
      line.setAttribute("y2", plot.top + plot.height);
      plot.svg.append(line);
    }
    return line;
  };

  const show = (seconds, isPinned) => {
    const bin = seconds === null ? null : binAt(seconds);
    for (const plot of plots) {
      const line = crosshair(plot);
      const outside = seconds === null || seconds < plot.begin || seconds > plot.end;
      line.style.display = outside ? "none" : "";
      line.classList.toggle("pinned", isPinned);
      if (outside) continue;
      const x = plot.left + ((seconds - plot.begin) / (plot.end - plot.begin)) * plot.width;
      line.setAttribute("x1", x);
      line.setAttribute("x2", x);
    }
    for (const figure of document.querySelectorAll("figure[data-panel]")) {
      const panel = data.panels[figure.dataset.panel];
      figure.querySelectorAll("output").forEach((output, number) => {
        output.textContent = seconds === null ? "" : reading(panel, panel.series[number], bin);
      });
    }
    moment.hidden = seconds === null;
    if (seconds !== null) moment.textContent = describe(seconds);
  };

  const tooltip = document.createElement("div");
  tooltip.className = "tooltip";
  tooltip.hidden = true;

  const point = (plot, event) => {
    const panel = data.panels[plot.figure.dataset.panel];
    const seconds = secondsAt(plot, event);
    tooltip.hidden = !panel || seconds === null;
    if (tooltip.hidden) return;
    const bin = binAt(seconds);
    const lines = panel.series.map((series) => `${series.label} ${reading(panel, series, bin)}`);
    tooltip.textContent = [describe(seconds), ...lines].join("\n");
    plot.figure.append(tooltip);
    const box = plot.figure.getBoundingClientRect();
    const right = event.clientX - box.left > box.width / 2;
    tooltip.style.left = right ? "auto" : `${event.clientX - box.left + 14}px`;
    tooltip.style.right = right ? `${box.right - event.clientX + 14}px` : "auto";
    tooltip.style.top = `${event.clientY - box.top + 10}px`;
  };

  const secondsAt = (plot, event) => {
    const box = plot.svg.getBoundingClientRect();
    const x = ((event.clientX - box.left) / box.width) * plot.svg.viewBox.baseVal.width - plot.left;
    if (x < 0 || x > plot.width) return null;
    return plot.begin + (x / plot.width) * (plot.end - plot.begin);
  };

  const pin = (seconds) => {
    pinned = seconds;
    show(pinned, true);
  };

  for (const plot of plots) {
    plot.svg.addEventListener("pointermove", (event) => {
      const seconds = secondsAt(plot, event);
      show(seconds ?? pinned, seconds === null);
      point(plot, event);
    });
    plot.svg.addEventListener("pointerleave", () => {
      tooltip.hidden = true;
      show(pinned, true);
    });
    plot.svg.addEventListener("click", (event) => {
      const seconds = secondsAt(plot, event);
      if (seconds === null || event.target.closest("a")) return;
      history.replaceState(null, "", `#t=${seconds.toFixed(1)}`);
      pin(seconds);
    });
  }

  document.addEventListener("keydown", (event) => {
    if (pinned === null || event.target.closest("input, summary")) return;
    const step = { ArrowLeft: -data.width_s, ArrowRight: data.width_s }[event.key];
    if (event.key === "Escape") {
      history.replaceState(null, "", location.pathname + location.search);
      pin(null);
    } else if (step) {
      event.preventDefault();
      history.replaceState(null, "", `#t=${(pinned + step).toFixed(1)}`);
      pin(pinned + step);
    }
  });

  for (const button of document.querySelectorAll(".legend button")) {
    button.addEventListener("click", () => {
      const on = button.getAttribute("aria-pressed") !== "true";
      button.setAttribute("aria-pressed", String(on));
      const name = button.dataset.series;
      const marks = `.${name}_marks, .${name}_label_marks`;
      for (const mark of button.closest("figure").querySelectorAll(marks)) mark.style.display = on ? "" : "none";
    });
  }

  const follow = () => {
    const found = /^#t=(-?[\d.]+)$/.exec(location.hash);
    if (found) {
      pin(Number(found[1]));
      document.getElementById("timeline").scrollIntoView();
      return;
    }
    const goal = location.hash.length > 1 && document.getElementById(location.hash.slice(1));
    for (let folded = goal && goal.closest("details"); folded; folded = folded.parentElement.closest("details")) {
      folded.open = true;
      goal.scrollIntoView();
    }
  };
  window.addEventListener("hashchange", follow);
  follow();
  document.documentElement.dataset.script = "ready";
})();
