"""The device side of Xunyuan: patrols and ledgers without signal, brought together at the branch.

`Replica` is one person's records on this machine. Everything it saves is on disk before the call returns;
a thread of its own exchanges with the branch. Errors are cases of `SyncError`: `str(error)` says what
happened and what to do, `error.code` is stable.
"""

from __future__ import annotations

import asyncio
import queue
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from os import PathLike, fspath
from types import TracebackType
from typing import TypeVar, Union, cast

from . import _native
from ._native import *  # noqa: F401,F403
from ._native.xunyuan import __all__ as _generated
from ._native import AnswerInput, Answered, EntryScreen, Language, Settings, SheetScreen, Standing, SyncError
from ._native import Value, refuse_text

__all__ = [*_generated, "Changed", "Plain", "plain"]

Result = TypeVar("Result")

#: A value as Python has it: `None` withdraws, a list is the elements of a set.
Plain = Union[None, bool, int, float, str, list[str], "Value"]

# What a person reads is the sentence; the generated class lists all fields.
SyncError.__str__ = lambda self: self.sentence  # type: ignore[method-assign,attr-defined]


@dataclass(frozen=True)
class Changed:
    """Records that changed, through whomever."""

    #: Their ids; empty where there are too many to name.
    documents: list[str]
    #: True when any record may have changed: load again what is shown.
    everything: bool


def plain(value: Plain) -> Value:
    """A Python value as the library takes it."""
    if isinstance(value, Value):
        return value
    made: object
    if value is None:
        made = Value.NOTHING()  # type: ignore[no-untyped-call]
    elif isinstance(value, bool):
        made = Value.YES_NO(value)
    elif isinstance(value, int):
        made = Value.WHOLE(value)
    elif isinstance(value, float):
        made = Value.NUMBER(value)
    elif isinstance(value, str):
        made = Value.TEXT(value)
    else:
        made = Value.MANY(list(value))
    # The variants become its subclasses when the module is loaded, which no type checker sees.
    return cast(Value, made)


def _plain(values: Mapping[str, Plain]) -> dict[str, Value]:
    return {name: plain(value) for name, value in values.items()}


class Replica(_native.Replica):  # type: ignore[no-redef]
    """One person's records on this machine; closes with the end of a `with`."""

    @classmethod
    def open(  # type: ignore[override]
        cls,
        file: str | PathLike[str],
        *,
        app: str,
        language: Language = Language.CHINESE,
        key: bytes | None = None,
        **settings: object,
    ) -> Replica:
        """Opens a replica file that was enrolled before, with its key where it is encrypted; `settings` are those
        of `Settings`."""
        made = Settings(app=app, language=language, **settings)  # type: ignore[arg-type]
        return _own(cls, lambda: _native.Replica.open(fspath(file), made, key), language)

    @classmethod
    def enroll(  # type: ignore[override]
        cls,
        link: str,
        directory: str | PathLike[str],
        *,
        app: str,
        language: Language = Language.CHINESE,
        key: bytes | None = None,
        **settings: object,
    ) -> Replica:
        """Turns a one-time link into a replica in `directory` (needs signal), encrypted where there is a key."""
        made = Settings(app=app, language=language, **settings)  # type: ignore[arg-type]
        return _own(cls, lambda: _native.Replica.enroll(link, fspath(directory), made, key), language)

    def __enter__(self) -> Replica:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.shut()

    def answer(  # type: ignore[override]
        self, document: str, item: str, value: Plain = None, *, note: str | None = None, photos: Iterable[str] = ()
    ) -> Answered:
        """Answers an item, with note and photos in the same action; without a value the answer stays."""
        given = None if value is None else plain(value)
        return super().answer(document, item, AnswerInput(value=given, note=note, photos=list(photos)))

    def set_header(self, document: str, field: str, value: Plain) -> SheetScreen:
        """Writes a header field; of a set, adds one element."""
        return super().set_header(document, field, plain(value))

    def start_sheet(  # type: ignore[override]
        self, checklist: str, project: str, header: Mapping[str, Plain] | None = None
    ) -> SheetScreen:
        """Starts a sheet that no schedule asked for."""
        return super().start_sheet(checklist, project, _plain(header or {}))

    def add_line(self, document: str, group: str, values: Mapping[str, Plain]) -> SheetScreen:
        """Adds a line to a repeated group."""
        return super().add_line(document, group, _plain(values))

    def create_entry(  # type: ignore[override]
        self, ledger: str, values: Mapping[str, Plain], project: str | None = None
    ) -> EntryScreen:
        """Records a new entry."""
        return super().create_entry(ledger, _plain(values), project)

    def edit_entry(self, document: str, values: Mapping[str, Plain]) -> EntryScreen:
        """Writes fields of an entry; `None` withdraws one."""
        return super().edit_entry(document, _plain(values))

    def add_entry_line(
        self, document: str, field: str, values: Mapping[str, Plain]
    ) -> EntryScreen:
        """Adds a line to a field that holds lines."""
        return super().add_entry_line(document, field, _plain(values))

    def edit_entry_line(
        self, document: str, field: str, line: str, values: Mapping[str, Plain]
    ) -> EntryScreen:
        """Writes into a line that is there."""
        return super().edit_entry_line(document, field, line, _plain(values))

    def record_event(
        self, document: str, event: str, values: Mapping[str, Plain] | None = None
    ) -> EntryScreen:
        """Records an event of the life cycle."""
        return super().record_event(document, event, _plain(values or {}))

    def watch(self, timeout: float | None = None) -> Iterator[Changed | Standing]:
        """What changes and how the replica stands, as it happens; ends after `timeout` seconds of silence.

        One watcher at a time; the end of the loop ends the listening.
        """
        heard: queue.Queue[Changed | Standing] = queue.Queue()

        class Ear(_native.Listener):
            def changed(self, documents: list[str], everything: bool) -> None:
                heard.put(Changed(documents, everything))

            def standing(self, standing: Standing) -> None:
                heard.put(standing)

        self.set_listener(Ear())
        try:
            while True:
                yield heard.get(timeout=timeout)
        except queue.Empty:
            return
        finally:
            self.set_listener(None)

    async def ask(self, call: Callable[[Replica], Result]) -> Result:
        """Makes one or several calls without blocking the event loop; a call that has begun is finished."""
        return await asyncio.to_thread(_told, lambda: call(self))


def _own(cls: type[Replica], make: Callable[[], _native.Replica], language: Language) -> Replica:
    made = _told(make, language)
    made.__class__ = cls
    return made


def _told(call: Callable[[], Result], language: Language = Language.CHINESE) -> Result:
    """A text that is none, such as half of a surrogate pair, is an error like any other."""
    try:
        return call()
    except UnicodeEncodeError:
        refuse_text(language)
        raise
