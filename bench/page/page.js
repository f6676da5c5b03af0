"use strict";
// What goes wrong in here is shown at the top: a report that only looks whole is worse than one that says so.
function failed(what) {
	const p = document.getElementById("script-error");
	p.hidden = false;
	p.textContent += "The report's script failed; the text below is complete without it: " + what + "\n";
}
window.addEventListener("error", e => failed(e.message));
window.addEventListener("unhandledrejection", e => failed(e.reason));

// The theme: as the system says, or as chosen. A file's storage may be forbidden; then the choice lasts as long as the page.
(() => {
	const button = document.getElementById("theme"), names = ["auto", "light", "dark"];
	let theme = "auto";
	try { theme = localStorage.getItem("theme") || theme; } catch { }
	const apply = () => {
		if (theme === "auto") delete document.documentElement.dataset.theme;
		else document.documentElement.dataset.theme = theme;
		button.textContent = "theme: " + theme;
	};
	button.hidden = false;
	button.addEventListener("click", () => {
		theme = names[(names.indexOf(theme) + 1) % names.length];
		try { localStorage.setItem("theme", theme); } catch { }
		apply();
	});
	if (!names.includes(theme)) theme = "auto";
	apply();
})();

// Tables: a click on a title sorts by it, the next one turns the order around, the third restores the given one.
for (const table of document.querySelectorAll("table")) {
	const body = table.tBodies[0], given = [...body.rows];
	if (given.length < 2) continue;
	[...table.tHead.rows[0].cells].forEach((th, column) => {
		const button = document.createElement("button");
		button.type = "button";
		button.append(...th.childNodes);
		th.append(button);
		const numbers = given.some(row => row.cells[column]?.dataset.value !== undefined);
		const key = row => {
			const td = row.cells[column];
			return numbers ? Number.parseFloat(td?.dataset.value ?? "NaN") : td?.textContent ?? "";
		};
		button.addEventListener("click", () => {
			const was = th.getAttribute("aria-sort");
			for (const other of th.parentNode.cells) other.removeAttribute("aria-sort");
			if (was === "descending") {
				body.append(...given);
				return;
			}
			const sign = was === "ascending" ? -1 : 1;
			th.setAttribute("aria-sort", sign > 0 ? "ascending" : "descending");
			body.append(...[...given].sort((a, b) => {
				const x = key(a), y = key(b);
				if (!numbers) return sign * x.localeCompare(y, "en", { numeric: true });
				return (Number.isNaN(x) ? 1 : 0) - (Number.isNaN(y) ? 1 : 0) || sign * (x - y) || 0;
			}));
		});
	});
	if (given.length > 8 && !table.closest(".numbers")) {
		const filter = document.createElement("input");
		filter.type = "search";
		filter.className = "filter";
		filter.placeholder = "filter " + given.length + " rows";
		filter.setAttribute("aria-label", "filter rows");
		filter.addEventListener("input", () => {
			const words = filter.value.toLowerCase().split(/\s+/);
			for (const row of given) {
				const text = row.textContent.toLowerCase();
				row.hidden = !words.every(word => text.includes(word));
			}
		});
		table.parentNode.before(filter);
	}
}

// Tooltips: the titles of the drawings, shown at once and near the mark, also where there is no mouse.
(() => {
	const tip = document.getElementById("tip");
	for (const title of document.querySelectorAll(".point > title")) {
		title.parentNode.dataset.tip = title.textContent;
		title.remove();
	}
	const hide = () => { tip.hidden = true; };
	document.addEventListener("pointerover", e => {
		const mark = e.target.closest?.("[data-tip]");
		if (!mark) return hide();
		tip.textContent = mark.dataset.tip;
		tip.hidden = false;
		const at = mark.getBoundingClientRect(), size = tip.getBoundingClientRect();
		const left = Math.min(at.right + 8, document.documentElement.clientWidth - size.width - 8);
		const above = at.top - size.height - 6;
		tip.style.left = Math.max(8, left) + scrollX + "px";
		tip.style.top = (above < 0 ? at.bottom + 6 : above) + scrollY + "px";
	});
	addEventListener("scroll", hide, { passive: true });
})();

// Links lead into folded parts, and paper shows all of them.
(() => {
	const open = () => {
		const target = location.hash && document.getElementById(location.hash.slice(1));
		if (!target) return;
		for (let e = target.querySelector("details.fold") ?? target; e; e = e.parentElement) if (e.tagName === "DETAILS") e.open = true;
		target.scrollIntoView();
	};
	addEventListener("hashchange", open);
	open();
	let closed = [];
	addEventListener("beforeprint", () => {
		closed = [...document.querySelectorAll("details:not([open])")].filter(d => !d.closest(".numbers"));
		for (const d of closed) d.open = true;
	});
	addEventListener("afterprint", () => { for (const d of closed) d.open = false; });
})();
