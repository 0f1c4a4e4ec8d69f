// Draws the interactive plots from the numbers in #plots, one after another. Texts here are this file's own; the data are
// numbers and checked names.
(function () {
  "use strict";
  var data = JSON.parse(document.getElementById("plots").textContent);
  var font = { family: "system-ui, -apple-system, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif", size: 12, color: "#1f2430" };
  function effectHover(intervals) {
    return "layer %{y}, coefficient %{x}<br><b>%{z:+.1f}</b> points" +
      (intervals ? " [%{customdata[0]:+.1f}, %{customdata[1]:+.1f}]" : "") +
      "<br>P(matching) %{customdata[2]:.1f} %<br>mass on the letters %{customdata[3]:.1f} %" +
      "<br>%{customdata[4]} questions<extra></extra>";
  }

  function bar(text, narrow) {
    var found = narrow
      ? { title: { text: text, side: "top" }, orientation: "h", y: 1.02, yanchor: "bottom", len: 1 }
      : { title: { text: text, side: "right" } };
    found.thickness = 12;
    found.outlinewidth = 0;
    return found;
  }

  function base(x, y) {
    return { font: font, margin: { l: 52, r: 8, t: 10, b: 48 }, paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "#eceef2",
             xaxis: Object.assign({ fixedrange: true, showgrid: false, zeroline: false, automargin: true }, x),
             yaxis: Object.assign({ fixedrange: true, showgrid: false, zeroline: false, automargin: true }, y) };
  }

  function effect(plot, narrow) {
    var many = plot.layers.length > 40;
    var trace = {
      type: "heatmap", x: plot.coefficients, y: plot.layers, z: plot.effect, customdata: plot.hover,
      zmin: -plot.limit, zmax: plot.limit, colorscale: data.scales.effect, hovertemplate: effectHover(plot.intervals), hoverongaps: false,
      xgap: 1, ygap: many ? 0 : 1, text: plot.sure, texttemplate: "%{text}", textfont: { size: many ? 7 : 12 },
      colorbar: bar("Effect (percentage points)", narrow)
    };
    return [[trace], base(
      { type: "category", title: { text: plot.unit }, ticks: "", tickangle: 0, tickfont: { size: narrow ? 10.5 : 12 } },
      { title: { text: "Layer (after block)" }, tickformat: "d", dtick: plot.layers.length <= 12 ? 1 : undefined })];
  }

  function cosines(plot, narrow) {
    var named = typeof plot.names[0] === "string";
    var trace = {
      type: "heatmap", x: plot.names, y: plot.names, z: plot.cosine, zmin: -1, zmax: 1, colorscale: data.scales.cosine,
      hovertemplate: (named ? "%{y} and %{x}" : "layers %{y} and %{x}") + "<br>cosine <b>%{z:.3f}</b><extra></extra>",
      hoverongaps: false, colorbar: bar("Cosine similarity", narrow)
    };
    if (plot.shown) Object.assign(trace, { texttemplate: "%{z:.2f}", textfont: { size: narrow ? 9 : 11 } });
    var axis = named ? { type: "category" } : { tickformat: "d", dtick: plot.names.length <= 12 ? 1 : undefined };
    return [[trace], base(
      Object.assign({ title: { text: plot.axis, standoff: 8 }, constrain: "domain", tickangle: named ? -40 : 0 }, axis),
      Object.assign({ title: { text: plot.axis, standoff: 8 }, scaleanchor: "x", constrain: "domain" }, axis))];
  }

  function lines(plot, narrow) {
    var seen = {};
    var traces = plot.lines.map(function (line) {
      var first = !seen[line.name];
      seen[line.name] = true;
      return {
        type: "scatter", mode: "lines+markers", x: line.x, y: line.y, customdata: line.ends, name: line.name,
        legendgroup: line.name, showlegend: first, connectgaps: false,
        line: { color: line.colour, dash: line.dash, width: 1.6 },
        marker: { color: line.colour, symbol: line.symbol, size: 6, maxdisplayed: 24 },
        hovertemplate: line.name + " " + line.sign + ", " + plot.where +
          "<br><b>%{y:+.1f}</b> points" + (plot.intervals ? " [%{customdata[0]:+.1f}, %{customdata[1]:+.1f}]" : "") + "<extra></extra>"
      };
    });
    var layout = base({ title: { text: plot.x, standoff: 6 }, gridcolor: "#e5e7eb", showgrid: true },
      { title: { text: plot.y, standoff: 6 }, gridcolor: "#e5e7eb", showgrid: true, zeroline: true, zerolinecolor: "#6b7280" });
    if (plot.whole) {  // layers have whole numbers
      var count = Math.max.apply(null, plot.lines.map(function (line) { return line.x.length; }));
      Object.assign(layout.xaxis, { tickformat: "d", dtick: count <= 12 ? 1 : undefined });
    }
    layout.plot_bgcolor = "#fff";
    layout.hovermode = "closest";
    layout.showlegend = true;
    layout.legend = { orientation: "h", x: 0, y: 1.02, yanchor: "bottom", font: { size: narrow ? 10.5 : 12 } };
    return [traces, layout];
  }

  var kinds = { effect: effect, cosines: cosines, lines: lines };
  function draw(place) {
    var plot = data.plots[place.getAttribute("data-plot")];
    var drawn = kinds[plot.kind](plot, place.clientWidth < 480);
    window.Plotly.newPlot(place, drawn[0], drawn[1], { responsive: true, displayModeBar: false, displaylogo: false })
      .then(function () { place.setAttribute("data-drawn", "yes"); });
  }
  document.querySelectorAll("details").forEach(function (part) {  // what was drawn while closed has no size yet
    part.addEventListener("toggle", function () { if (part.open) part.querySelectorAll("[data-plot]").forEach(draw); });
  });
  var places = Array.prototype.slice.call(document.querySelectorAll("[data-plot]"));
  function next() {  // one plot a turn, so that the page answers meanwhile
    var place = places.shift();
    if (!place) return;
    draw(place);
    window.setTimeout(next, 0);
  }
  next();
})();
