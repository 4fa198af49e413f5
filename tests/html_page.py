"""What a browser makes of a page, as far as tests ask for it: its elements in order, its text, its addresses."""

from dataclasses import dataclass, field
from html.parser import HTMLParser

_ADDRESSES = frozenset({"href", "src", "action", "formaction", "data", "poster", "srcset", "background", "cite", "xlink:href"})


@dataclass
class Page(HTMLParser):
    """A page that was read: `elements` are names with the names of their attributes, `addresses` what those lead to."""

    source: str
    elements: list[tuple[str, ...]] = field(default_factory=list)
    addresses: list[str] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)
    words: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()
        self._without_text = 0
        self.feed(self.source)
        self.close()

    @property
    def text(self) -> str:
        """The text that people see, in one line."""
        return " ".join("".join(self.words).replace("\N{NARROW NO-BREAK SPACE}", " ").split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """See HTMLParser."""
        self.elements.append((tag, *sorted(name for name, _ in attrs)))
        self.addresses += [value or "" for name, value in attrs if name in _ADDRESSES]
        self.ids += [value or "" for name, value in attrs if name == "id"]
        self._without_text += tag in ("style", "script", "title")

    def handle_endtag(self, tag: str) -> None:
        """See HTMLParser."""
        self._without_text -= tag in ("style", "script", "title")
        if tag in ("p", "tr", "li", "h1", "h2", "h3", "td", "th", "figure", "dd", "dt"):
            self.words.append(" ")

    def handle_data(self, data: str) -> None:
        """See HTMLParser."""
        if not self._without_text:
            self.words.append(data)
