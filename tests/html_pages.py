"""Read a report page in tests: every number with its place, every attribute, the text."""

from html.parser import HTMLParser

VOID = {"meta", "br", "link", "img", "input", "hr", "use", "path"}


class Page(HTMLParser):
    """Collect every number with its place, every attribute and the text, and check that all tags are closed."""

    def __init__(self, text):
        super().__init__()
        self.intervals, self.within = [], False
        self.numbers, self.attributes, self.ids, self.open, self.text = [], [], [], [], []
        self.feed(text)
        assert not self.open, self.open

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        self.attributes += attributes
        self.ids += [found["id"]] if "id" in found else []
        if tag == "data":
            self.numbers.append([found["value"], found.get("data-at"), ""])
        if "interval" in found.get("class", "") and "data-at" in found:
            self.intervals.append([found["data-at"], ""])
            self.within = True
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.attributes += attributes
        self.ids += [value for name, value in attributes if name == "id"]

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.open.pop() == tag, tag

    def handle_data(self, data):
        self.text.append(data)
        if self.open and self.open[-1] == "data":
            self.numbers[-1][2] += data
        if self.within:
            self.intervals[-1][1] += data
            self.within = False


def lies_at(reports, at):
    """The value in the report at a place such as `0/scores/ua` of the page."""
    number, *keys = at.split("/")
    found = reports[int(number)]
    for key in keys:
        key = key.replace("~1", "/").replace("~0", "~")
        found = found[int(key) if isinstance(found, list) else key]
    return found
