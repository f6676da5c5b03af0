(function () {
	"use strict";
	// In an HTML page there may be several graphs; each script belongs to the one it stands in.
	var own = document.currentScript;
	var root = own ? own.parentNode : document.documentElement;
	var alone = root === document.documentElement;
	var said = root.querySelector(".said"), nothing = said.firstChild;
	var field = root.querySelector("input"), hits = root.querySelector(".hits");

	var frames = Array.prototype.map.call(root.querySelectorAll(".f"), function (node) {
		var title = node.querySelector("title").textContent;
		return {
			node: node, title: title, name: title.split("\n")[0], depth: +node.getAttribute("data-d"),
			x: parseFloat(node.getAttribute("x")), w: parseFloat(node.getAttribute("width")), end: 0
		};
	});
	// Frames stand before what is below them, so a frame and its descendants are a range.
	frames.forEach(function (f, i) {
		for (f.end = i + 1; f.end < frames.length && frames[f.end].depth > f.depth; f.end++);
	});

	function labels() {
		var width = root.getBoundingClientRect().width;
		frames.forEach(function (f) {
			f.node.classList.toggle("n", width * (f.now === undefined ? f.w : f.now) / 100 < 26);
		});
	}

	function zoom(to) {
		var z = frames[to];
		frames.forEach(function (f, i) {
			var above = i < to && f.end > to, shown = above || i >= to && i < z.end;
			f.node.style.display = shown ? "" : "none";
			f.node.classList.toggle("up", above);
			f.now = above ? 100 : 100 * f.w / z.w;
			f.node.setAttribute("x", (above ? 0 : 100 * (f.x - z.x) / z.w) + "%");
			f.node.setAttribute("width", f.now + "%");
		});
		labels();
	}

	function search() {
		var text = field.value, test, sum = 0, skip = 0;
		try { test = new RegExp(text, "i"); } catch (e) { test = null; }
		frames.forEach(function (f, i) {
			var hit = text !== "" && (test ? test.test(f.name) : f.name.indexOf(text) >= 0);
			f.node.classList.toggle("hit", hit);
			if (hit && i >= skip) { sum += f.w; skip = f.end; }
		});
		hits.textContent = text === "" ? "" : sum.toFixed(1) + " % of all";
	}

	function show(node) {
		said.replaceChildren(node);
	}

	frames.forEach(function (f, i) {
		f.node.addEventListener("click", function () { zoom(i); });
		f.node.addEventListener("mouseenter", function () { show(document.createTextNode(f.title.replace("\n", " — "))); });
		f.node.addEventListener("mouseleave", function () { show(nothing); });
	});
	field.addEventListener("input", search);
	root.querySelector("button").addEventListener("click", function () { field.value = ""; search(); zoom(0); });

	var over = false;
	root.addEventListener("mouseenter", function () { over = true; });
	root.addEventListener("mouseleave", function () { over = false; });
	window.addEventListener("keydown", function (e) {
		if (!alone && !over) return;
		if ((e.ctrlKey || e.metaKey) && e.key === "f") { e.preventDefault(); field.focus(); field.select(); }
		if (e.key === "Escape") { field.value = ""; search(); zoom(0); field.blur(); }
	});
	window.addEventListener("resize", labels);
	labels();
})();
