"""
The editable parts of a template: sections, modules and variables, found in its HTML.

Adobe's template syntax marks them with classes. A section is an element of class ``mktEditable`` or, in version 2,
``mktoText``, ``mktoImg``, ``mktoSnippet`` or ``mktoVideo``. A module is an element of class ``mktoModule``. A variable
is a ``meta`` element of class ``mktoString`` and its like, and ``${name}`` stands for its value.
"""

from __future__ import annotations

import copy
import re
from dataclasses import dataclass, field
from functools import lru_cache
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

Section = dict[str, Any]
VariableKey = tuple[str, str | None]
"""The name of a variable, and the module that it belongs to; None for one of the whole template."""

_CONTENT_TYPES = {
    "mktEditable": "Text",
    "mktoText": "Text",
    "mktoImg": "Image",
    "mktoVideo": "Video",
    "mktoSnippet": "Snippet",
}
_VARIABLES = {
    "mktoString": "string",
    "mktoList": "string",
    "mktoNumber": "string",
    "mktoColor": "color",
    "mktoBoolean": "boolean",
    "mktoHTML": "string",
    "mktoImg": "string",
}
"""Types of variables by class, as the variables of landing pages name them."""

_IMAGE = {"src": "contentUrl", "alt": "altText", "width": "width", "height": "height", "style": "style"}
_VOID = frozenset(("area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "wbr"))
_TAG = re.compile(r"<[^>]*>")


@dataclass(frozen=True)
class Variable:
    """
    A variable of a template.

    :param name: its id in the HTML.
    :param kind: ``string``, ``color`` or ``boolean``.
    :param default: its value in a new e-mail.
    :param in_modules: whether each module has a value of its own.
    """

    name: str
    kind: str
    default: str
    in_modules: bool


@dataclass
class Markup:
    """
    The editable parts of a template, in the order of its HTML.

    :param sections: modules and sections as the content of e-mails lists them.
    :param variables: variables by name.
    :param modules: HTML of each module by its id.
    """

    sections: list[Section] = field(default_factory=list)
    variables: dict[str, Variable] = field(default_factory=dict)
    modules: dict[str, str] = field(default_factory=dict)

    def new_sections(self) -> list[Section]:
        """Return the sections of a new e-mail."""
        return copy.deepcopy(self.sections)

    def new_variables(self) -> dict[VariableKey, str]:
        """Return the values of the variables of a new e-mail."""
        found: dict[VariableKey, str] = {}
        for variable in self.variables.values():
            if variable.in_modules:
                found |= {(variable.name, module): variable.default for module in self.modules_with(variable.name)}
            else:
                found[variable.name, None] = variable.default
        return found

    def modules_with(self, variable: str) -> list[str]:
        """Return the ids of the modules that use a variable."""
        return [module for module, html in self.modules.items() if f"${{{variable}}}" in html]

    def module(self, module_id: str, name: str) -> list[Section]:
        """
        Return a module and its sections for an e-mail.

        :param module_id: id of the module in the template.
        :param name: id of the module in the e-mail.
        """
        own = [each for each in self.sections if module_id in (each["htmlId"], each.get("parentHtmlId"))]
        return module_under_name(own, name)


def module_under_name(sections: list[Section], name: str) -> list[Section]:
    """
    Return a copy of a module under another id.

    :param sections: the module, followed by its sections. Their ids get the new id as a suffix.
    """
    module, *inner = copy.deepcopy(sections)
    if module["htmlId"] == name:
        return [module, *inner]
    module["htmlId"] = name
    for each in inner:
        each |= {"htmlId": f"{each['htmlId']}_{name}", "parentHtmlId": name}
    return [module, *inner]


def text_value(html: str, text: str | None = None) -> list[dict[str, str]]:
    """Return the value of a section of type ``Text``: its HTML and its text version."""
    plain = _TAG.sub("", html).strip() if text is None else text
    return [{"type": "HTML", "value": html}, {"type": "Text", "value": plain}]


@lru_cache(maxsize=64)
def markup_of(html: str) -> Markup:
    """Return the editable parts of a template."""
    reader = _Reader()
    reader.feed(html)
    reader.close()
    reader.html()
    return reader.markup


def rendered(html: str, sections: list[Section], variables: Mapping[VariableKey, str]) -> str:
    """
    Return the HTML of an e-mail.

    Modules of the template keep their places. Modules of the e-mail that the template lacks come last.

    :param html: the template.
    :param sections: modules and sections of the e-mail.
    :param variables: values of its variables.
    """
    writer = _Writer(sections, variables)
    writer.feed(html)
    writer.close()
    added = "".join(writer.texts.values())
    before, body, after = writer.html().rpartition("</body>")
    return f"{before}{added}{body}{after}" if body else f"{after}{added}"


class _Element(NamedTuple):
    """An element that is open: its tag, its start tag, its section if it begins one, and the HTML inside so far."""

    tag: str
    start: str
    section: Section | None
    inside: list[str]


class _Reader(HTMLParser):
    """Collects the editable parts, and the HTML inside of them."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=False)
        self.markup = Markup()
        self._open: list[_Element] = [_Element("", "", None, [])]

    def html(self) -> str:
        """Return everything that was read."""
        while len(self._open) > 1:
            self._end()
        return "".join(self._open[0].inside)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        classes = given.get("class", "").split()
        start = self.get_starttag_text() or ""
        if tag == "meta":
            self._add_variable(given, classes)
        if tag in _VOID:
            self._describe_image(tag, given)
            self._write(start)
        else:
            self._open.append(_Element(tag, start, self._section(given, classes), []))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in _VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        if any(element.tag == tag for element in self._open):
            while self._end() != tag:
                pass

    def handle_data(self, data: str) -> None:
        self._write(data)

    def handle_entityref(self, name: str) -> None:
        self._write(f"&{name};")

    def handle_charref(self, name: str) -> None:
        self._write(f"&#{name};")

    def handle_comment(self, data: str) -> None:
        self._write(f"<!--{data}-->")

    def handle_decl(self, decl: str) -> None:
        self._write(f"<!{decl}>")

    def _write(self, text: str) -> None:
        self._open[-1].inside.append(text)

    def _end(self) -> str:
        """Close the innermost element and return its tag."""
        element = self._open.pop()
        html = "".join(element.inside)
        if element.section is not None:
            self._finish(element.section, html)
        self._write(self._whole(element, html))
        return element.tag

    def _whole(self, element: _Element, html: str) -> str:
        """Return an element with its tags."""
        return f"{element.start}{html}</{element.tag}>"

    def _add_variable(self, given: dict[str, str], classes: list[str]) -> None:
        kind = next((_VARIABLES[each] for each in classes if each in _VARIABLES), None)
        if kind is not None and given.get("id"):
            local = given.get("mktomodulescope", "").lower() == "true"
            self.markup.variables[given["id"]] = Variable(given["id"], kind, given.get("default", ""), local)

    def _section(self, given: dict[str, str], classes: list[str]) -> Section | None:
        """Return the section or module that an element begins; None if it begins neither."""
        kind = next((_CONTENT_TYPES[each] for each in classes if each in _CONTENT_TYPES), None)
        kind = "Module" if "mktoModule" in classes else kind
        if kind is None or not given.get("id"):
            return None
        section: Section = {"htmlId": given["id"], "contentType": kind, "isLocked": False}
        if kind == "Module":
            section["index"] = sum(each["contentType"] == "Module" for each in self.markup.sections)
        elif kind in ("Image", "Video"):
            section["value"] = {}
        parent = self._parent("Module")
        if parent is not None:
            section["parentHtmlId"] = parent["htmlId"]
        self.markup.sections.append(section)
        return section

    def _parent(self, kind: str) -> Section | None:
        found = (each.section for each in reversed(self._open) if each.section is not None)
        return next((section for section in found if section["contentType"] == kind), None)

    def _describe_image(self, tag: str, given: dict[str, str]) -> None:
        section = self._parent("Image")
        if tag == "img" and section is not None:
            section["value"] = {_IMAGE[name]: value for name, value in given.items() if name in _IMAGE}

    def _finish(self, section: Section, html: str) -> None:
        if section["contentType"] == "Text":
            section["value"] = text_value(html)
        elif section["contentType"] == "Module":
            self.markup.modules[section["htmlId"]] = html


class _Writer(_Reader):
    """
    Reads a template and writes an e-mail.

    :param sections: modules and sections of the e-mail.
    :param variables: values of its variables.
    """

    def __init__(self, sections: list[Section], variables: Mapping[VariableKey, str]) -> None:
        super().__init__()
        self._modules = {each["htmlId"] for each in sections if each["contentType"] == "Module"}
        self._variables = variables
        self.texts = {each["htmlId"]: _html_of(each) for each in sections if each["contentType"] != "Module"}
        """HTML of the sections that were not written yet."""

    def html(self) -> str:
        return self._with_values(super().html(), None)

    def _whole(self, element: _Element, html: str) -> str:
        section = element.section
        if section is None:
            return super()._whole(element, html)
        name = section["htmlId"]
        if section["contentType"] == "Module":
            return super()._whole(element, self._with_values(html, name)) if name in self._modules else ""
        text = self.texts.pop(name, None)
        return super()._whole(element, html if text is None or section["contentType"] != "Text" else text)

    def _with_values(self, html: str, module: str | None) -> str:
        for (name, of), value in self._variables.items():
            if of == module:
                html = html.replace(f"${{{name}}}", value)
        return html


def _html_of(section: Section) -> str:
    value = section.get("value")
    if isinstance(value, list):
        return "".join(part["value"] for part in value if part["type"] == "HTML")
    return ""  # dynamic content and snippets have an id here
