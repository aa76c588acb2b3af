"""Open pages in headless Chromium and say what a person would see.

    browse.py CHROMIUM FILE,WIDTH,light|dark[,PNG] ...

Prints a line of JSON for each: "requests" (URLs asked for beyond the page), "console" (messages),
"overflow" (pixels wider than the window), "contrast" (the lowest of any text,
WCAG 2), "small" (the smallest text in CSS pixels), "clipped" (texts that lie
outside the window or are cut), "text" (what is visible, as innerText), "alt"
(names of pictures in the accessibility tree), "headers" (names of column
headers there).  Where AXE names a file of axe-core, "axe" holds what it finds
against the page: rule and elements.  Talks to the browser by its debugging pipe.
"""
import base64
import json
import os
import pathlib
import subprocess
import sys
import tempfile

SEEN = r"""
(() => {
  const lum = c => { const f = v => { v /= 255; return v <= .03928 ?
      v / 12.92 : Math.pow((v + .055) / 1.055, 2.4); };
    return .2126 * f(c[0]) + .7152 * f(c[1]) + .0722 * f(c[2]); };
  const rgb = s => { const m = s.match(/[\d.]+/g).map(Number);
    return m.length > 3 && m[3] === 0 ? null : m; };
  const svgBack = e => { // the bar below a text in the drawing
    const b = e.getBoundingClientRect(), x = b.x + b.width / 2,
        y = b.y + b.height / 2;
    for (const r of e.ownerSVGElement.querySelectorAll('rect')) {
      const q = r.getBoundingClientRect();
      if (x > q.left && x < q.right && y > q.top && y < q.bottom)
        return rgb(getComputedStyle(r).fill);
    }
    return null; };
  const back = e => { for (; e; e = e.parentElement) {
      const c = rgb(getComputedStyle(e).backgroundColor);
      if (c) return c; }
    return [255, 255, 255]; };
  let contrast = 99, small = 99; const clipped = [];
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let t; t = walk.nextNode();) {
    const e = t.parentElement, tag = e.tagName.toLowerCase();
    if (!t.data.trim() || tag === 'title' || tag === 'desc') continue;
    const range = document.createRange(); range.selectNodeContents(t);
    const box = range.getBoundingClientRect();
    if (box.width <= 1 || e.closest('thead')?.getBoundingClientRect().width <= 1)
      continue;
    const s = getComputedStyle(e), svg = e.ownerSVGElement;
    const front = rgb(svg ? s.fill : s.color);
    const behind = (svg && svgBack(e)) || back(svg || e);
    const a = lum(front), b = lum(behind);
    contrast = Math.min(contrast, (Math.max(a, b) + .05) / (Math.min(a, b) + .05));
    const scale = svg ? svg.getBoundingClientRect().width /
        svg.viewBox.baseVal.width : 1;
    small = Math.min(small, parseFloat(s.fontSize) * scale);
    if (box.left < 0 || box.right > innerWidth + .5) clipped.push(t.data.trim());
  }
  return { overflow: document.scrollingElement.scrollWidth - innerWidth,
    contrast, small, clipped, text: document.body.innerText };
})()
"""


class Browser:
    def __init__(self, program, profile):
        to_r, self.to = os.pipe()
        self.back, back_w = os.pipe()
        flags = ["--headless=new", "--no-sandbox", "--disable-gpu",
                 "--disable-dev-shm-usage", "--no-first-run",
                 "--disable-background-networking", "--hide-scrollbars",
                 "--remote-debugging-pipe", "--user-data-dir=" + profile,
                 "about:blank"]

        def wire():
            # The pipe is descriptors 3 and 4; neither may be hit before use.
            a, b = os.dup(to_r), os.dup(back_w)
            os.dup2(a, 3)
            os.dup2(b, 4)
        self.child = subprocess.Popen(
            [program] + flags, preexec_fn=wire, close_fds=False,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL)
        os.close(to_r)
        os.close(back_w)
        self.last = 0
        self.rest = b""
        self.events = []

    def read(self):
        while b"\0" not in self.rest:
            more = os.read(self.back, 1 << 16)
            if not more:
                raise SystemExit("the browser went away")
            self.rest += more
        line, self.rest = self.rest.split(b"\0", 1)
        return json.loads(line)

    def ask(self, method, session=None, **params):
        self.last += 1
        message = {"id": self.last, "method": method, "params": params}
        if session:
            message["sessionId"] = session
        os.write(self.to, json.dumps(message).encode() + b"\0")
        while True:
            answer = self.read()
            if answer.get("id") == self.last:
                if "error" in answer:
                    raise SystemExit(answer["error"])
                return answer["result"]
            self.events.append(answer)

    def wait_for(self, method):
        while not any(e.get("method") == method for e in self.events):
            self.events.append(self.read())


def look(b, page, width, scheme, png=None):
    url = pathlib.Path(page).resolve().as_uri()
    target = b.ask("Target.createTarget", url="about:blank")["targetId"]
    s = b.ask("Target.attachToTarget", targetId=target,
              flatten=True)["sessionId"]
    for domain in ("Page", "Network", "Runtime", "Log", "Accessibility"):
        b.ask(domain + ".enable", s)
    b.ask("Emulation.setDeviceMetricsOverride", s, width=int(width),
          height=900, deviceScaleFactor=1, mobile=int(width) < 600)
    b.ask("Emulation.setEmulatedMedia", s, features=[
        {"name": "prefers-color-scheme", "value": scheme}])
    b.events.clear()
    b.ask("Page.navigate", s, url=url)
    b.wait_for("Page.loadEventFired")
    seen = b.ask("Runtime.evaluate", s, expression=SEEN,
                 returnByValue=True)["result"]["value"]
    if os.environ.get("AXE"):
        b.ask("Runtime.evaluate", s,
              expression=pathlib.Path(os.environ["AXE"]).read_text())
        seen["axe"] = b.ask(
            "Runtime.evaluate", s, awaitPromise=True, returnByValue=True,
            expression="axe.run().then(r => r.violations.map(v => v.id + ': ' +"
            " v.nodes.map(n => n.html).slice(0, 3).join(' ')))")["result"]["value"]
    tree = b.ask("Accessibility.getFullAXTree", s)["nodes"]

    def named(role):
        return [n["name"]["value"] for n in tree
                if n.get("role", {}).get("value") == role]
    seen["alt"] = named("image") + named("img") + named("graphics-document")
    seen["headers"] = named("columnheader")
    seen["requests"] = [
        e["params"]["request"]["url"] for e in b.events
        if e.get("method") == "Network.requestWillBeSent"
        and e["params"]["request"]["url"] != url]
    seen["console"] = [e for e in b.events if e.get("method") in (
        "Runtime.consoleAPICalled", "Runtime.exceptionThrown",
        "Log.entryAdded")]
    if png:
        data = b.ask("Page.captureScreenshot", s,
                     captureBeyondViewport=True)["data"]
        with open(png, "wb") as f:
            f.write(base64.b64decode(data))
    b.ask("Target.closeTarget", targetId=target)
    print(json.dumps(seen, ensure_ascii=False), flush=True)


def main():
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        b = Browser(sys.argv[1], profile)
        for view in sys.argv[2:]:
            look(b, *view.split(","))
        b.ask("Browser.close")
        b.child.wait()


main()
