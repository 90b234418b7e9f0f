// What a reader would call broken in the layout of a page, found by geometry. The function runs inside the page.

/** Lists texts that overlap, are cut, stand outside of their box or in the wrong order, and a page that is too wide. */
export function layoutProblems() {
    const SLACK = 1; // pixels that rounding may cost
    const root = document.documentElement;
    const problems = [];
    const styles = new Map();
    const styleOf = (element) => {
        if (!styles.has(element)) styles.set(element, getComputedStyle(element));
        return styles.get(element);
    };
    const brief = (text) => {
        const words = text.trim().replace(/\s+/g, " ");
        return words.length > 50 ? `${words.slice(0, 50)}…` : words;
    };
    const path = (element) => {
        const names = [];
        for (let at = element; at && at !== document.body && names.length < 5; at = at.parentElement) {
            const { id, classList, localName } = at;
            names.unshift(localName + (id ? `#${id}` : "") + [...classList].map((name) => `.${name}`).join(""));
        }
        return names.join(" > ");
    };
    const named = ({ element, text }) => `'${brief(text)}' (${path(element)})`;
    const isInline = (element) => /^(inline|contents)$/.test(styleOf(element).display);
    const clips = (element) => styleOf(element).overflowX !== "visible" || styleOf(element).overflowY !== "visible";
    const ancestors = function* (element) {
        for (let at = element; at && at !== root; at = at.parentElement) yield at;
    };
    // Text for screen readers alone is cut on purpose.
    const forReadersAlone = (element) =>
        [...ancestors(element)].some((at) => styleOf(at).clipPath === "inset(50%)" && at.clientWidth <= 1);

    if (root.scrollWidth > root.clientWidth) {
        const wide = [...document.body.querySelectorAll("*")].filter((element) => {
            const inScroll = [...ancestors(element.parentElement)].some(clips);
            return !inScroll && element.getBoundingClientRect().right > root.clientWidth + SLACK;
        });
        const which = wide.slice(0, 3).map(path).join("; ");
        problems.push(`the page is ${root.scrollWidth} pixels wide where ${root.clientWidth} are to be had: ${which}`);
    }

    // One for each line of each text, and each picture.
    const fragments = [];
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    for (let node = walker.nextNode(); node; node = walker.nextNode()) {
        const element = node.parentElement;
        if (!node.data.trim() || element.closest("svg title, svg desc, script, style, template, noscript")) continue;
        if (!element.checkVisibility({ visibilityProperty: true, opacityProperty: true })) continue;
        if (forReadersAlone(element)) continue;
        const range = document.createRange();
        range.selectNodeContents(node);
        const svg = element.ownerSVGElement;
        for (const box of svg ? [element.getBoundingClientRect()] : range.getClientRects()) {
            if (box.width > 0.5 && box.height > 0.5) fragments.push({ node, element, svg, text: node.data, box });
        }
    }
    for (const element of document.body.querySelectorAll("img, svg")) {
        const box = element.getBoundingClientRect();
        if (!element.checkVisibility() || box.width === 0 || box.height === 0) continue;
        fragments.push({ node: element, element, svg: null, text: element.getAttribute("alt") ?? "", box, picture: true });
    }

    for (const fragment of fragments) {
        const { element, svg, box } = fragment;
        let { left, right, top, bottom } = box;
        if (svg) {
            const frame = svg.getBoundingClientRect();
            const outside =
                left < frame.left - SLACK || right > frame.right + SLACK || top < frame.top - SLACK || bottom > frame.bottom + SLACK;
            if (outside) problems.push(`${named(fragment)} leaves its drawing`);
        }
        let inside = true; // while no ancestor clips
        for (const at of ancestors(svg ?? element)) {
            if (at === element && fragment.picture) continue;
            if (isInline(at) || at === document.body) continue;
            const frame = at.getBoundingClientRect();
            if (clips(at)) {
                inside = false;
                [left, right] = [Math.max(left, frame.left), Math.min(right, frame.right)];
                [top, bottom] = [Math.max(top, frame.top), Math.min(bottom, frame.bottom)];
            } else if (inside && (box.left < frame.left - SLACK || box.right > frame.right + SLACK)) {
                problems.push(`${named(fragment)} sticks out of ${path(at)}`);
                break;
            }
        }
        if (inside && box.left < -SLACK) problems.push(`${named(fragment)} begins left of the page`);
        fragment.shown = right - left > SLACK && bottom - top > SLACK ? { left, right, top, bottom } : null;
    }

    // What hides a part of its text needs a tooltip that holds it.
    for (const element of document.body.querySelectorAll("*")) {
        const hides = /hidden|clip/;
        const style = styleOf(element);
        if (element.ownerSVGElement || element.localName === "svg" || !element.textContent.trim()) continue;
        if (!element.checkVisibility() || forReadersAlone(element) || element.closest("[title]")) continue;
        const cut =
            (hides.test(style.overflowX) && element.scrollWidth > element.clientWidth + SLACK) ||
            (hides.test(style.overflowY) && element.scrollHeight > element.clientHeight + SLACK);
        if (cut) problems.push(`'${brief(element.textContent)}' (${path(element)}) is cut and has no tooltip`);
    }

    // Glyphs are less high than their line.
    const core = ({ element, picture, shown }) => {
        if (picture) return shown;
        const spare = 0.2 * Math.min(parseFloat(styleOf(element).fontSize), shown.bottom - shown.top, shown.right - shown.left);
        const upright = styleOf(element).writingMode !== "horizontal-tb";
        const { left, right, top, bottom } = shown;
        return upright
            ? { left: left + spare, right: right - spare, top, bottom }
            : { left, right, top: top + spare, bottom: bottom - spare };
    };
    const shown = fragments.filter((fragment) => fragment.shown);
    for (const fragment of shown) fragment.core = core(fragment);
    shown.sort((a, b) => a.core.top - b.core.top);
    let near = [];
    for (const fragment of shown) {
        const { core } = fragment;
        near = near.filter((other) => other.core.bottom > core.top + SLACK);
        for (const other of near) {
            const across = Math.min(other.core.right, core.right) - Math.max(other.core.left, core.left);
            const down = Math.min(other.core.bottom, core.bottom) - Math.max(other.core.top, core.top);
            const related = other.node === fragment.node || other.element === fragment.svg || fragment.element === other.svg;
            if (across > SLACK && down > SLACK && !related) {
                problems.push(`${named(other)} and ${named(fragment)} overlap`);
            }
        }
        near.push(fragment);
    }

    // The page reads from left to right, whatever the characters of a name ask for.
    const block = (element) => [...ancestors(element)].find((at) => !isInline(at));
    const lines = fragments.filter((f) => !f.picture && !f.svg && styleOf(f.element).writingMode === "horizontal-tb");
    for (let i = 1; i < lines.length; i++) {
        const [before, after] = [lines[i - 1], lines[i]];
        if (before.node === after.node || block(before.element) !== block(after.element)) continue;
        const down = Math.min(before.box.bottom, after.box.bottom) - Math.max(before.box.top, after.box.top);
        const sameLine = down > 0.5 * Math.min(before.box.height, after.box.height);
        if (sameLine && after.box.left < before.box.right - 2 * SLACK) {
            problems.push(`${named(after)} doesn't stand right of ${named(before)}`);
        }
    }

    return [...new Set(problems)];
}
