"""What a page of ours is made of, by Python's own HTML parser.

    page.py FILE

Prints what is wrong with it, a line each: tags that do not match, elements and
attributes that no page of ours has, an id twice, a link to what is not there, a
table without its heads.  Then "links N", "ids N", and "text ..." for each piece of
text.
"""
import html.parser
import sys

VOID = {"meta", "br", "rect"}
KNOWN = VOID | set("""html head title style body main nav section h1 h2 h3 p ul li a b
    table thead tbody tr th td div span figure figcaption svg g desc text footer
    """.split())
ATTRIBUTES = set("""lang charset name content http-equiv class id href role aria-label
    aria-labelledby scope data-of xmlns viewbox x y width height
    text-anchor""".split())


class Page(html.parser.HTMLParser):
    def __init__(self):
        super().__init__()
        self.open, self.ids, self.links, self.text = [], [], [], []
        self.cells = 0

    def handle_starttag(self, tag, attrs):
        if tag not in KNOWN:
            print("element", tag)
        for name, value in attrs:
            if name not in ATTRIBUTES:
                print("attribute", name, "of", tag)
            if name == "id":
                if value in self.ids:
                    print("twice", value)
                self.ids.append(value)
            if name == "href":
                self.links.append(value)
        if tag == "thead":
            self.heads = 0
        if tag == "th" and "thead" in self.open:
            self.heads += 1
        if tag == "tr":
            self.cells = 0
        if tag in ("td", "th"):
            self.cells += 1
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            print("end of", tag, "at", self.getpos())
        if tag == "tr" and self.cells != self.heads:
            print("row of", self.cells, "under", self.heads, "at", self.getpos())

    def handle_data(self, data):
        if data.strip() and self.open[-1] != "style":
            self.text.append(data.strip())


page = Page()
page.feed(open(sys.argv[1], encoding="utf-8").read())
page.close()
for tag in page.open:
    print("open", tag)
for link in page.links:
    if link[:1] != "#" or link[1:] not in page.ids:
        print("link", link)
print("links", len(page.links))
print("ids", len(page.ids))
for text in page.text:
    print("text", text)
