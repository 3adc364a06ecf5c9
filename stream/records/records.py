"""All that a session is to keep or send, as one observer: folder, videos, LSL markers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

import numpy as np

from recognizer.console.progress import progress_bar
from recognizer.errors import AtmeError
from recognizer.feature import PairFeatures
from spotting.candidate import Rejection
from spotting.motion import MotionSample
from spotting.reviews.study import NOBODY, Who, checked_name, read_study
from stream.event import Expression
from stream.frame import Frame
from stream.observer import Observer, Observers
from stream.outputs.lsl import Markers
from stream.records.about_session import Observed
from stream.records.folder import SessionFolder
from stream.records.motion_file import Motion
from stream.records.recorded_session import RecordedSession
from stream.records.session_files import CLIPS, same_name

if TYPE_CHECKING:
    from stream.records.video.clip_keeper import ClipKeeper
    from stream.records.video.record import VideoRecorder


@dataclass(frozen=True)
class RecordOptions:
    """What to keep; by default nothing."""

    out: Path | None = None
    """``--out``: a session folder."""
    save_faces: bool = False
    """``--save-faces``: images of each event in it."""
    record: Path | None = None
    """``--record``: the clean video."""
    render: Path | None = None
    """``--render``: the annotated video, of replays."""
    lsl: bool = False
    """``--lsl``: markers of the Lab Streaming Layer, of live sources."""
    save_clips: bool = False
    """``--save-clips``: a short video around each movement in it."""
    who: Who = NOBODY
    """``--participant``, ``--condition``: who is shown, under which condition."""
    show_macros: bool = False
    """``--show-macro``: also draw macro-expressions into the annotated video."""


class Records(Observers):
    """Open it before the session, so that an unwritable path never costs a recording; set it as the session's
    observer; leave it after the session has closed."""

    def __init__(self, options: RecordOptions) -> None:
        """AtmeError where something cannot be written, or options contradict each other."""
        if options.save_faces and options.out is None:
            raise AtmeError("invalid", "--save-faces without --out; name a folder for the images")
        if options.save_clips and options.out is None:
            raise AtmeError("invalid", "--save-clips without --out; name a folder for the clips")
        if options.who != NOBODY:
            _check_who(options.who, options.out)
        _check_paths(options)
        self.folder = SessionFolder(options.out, save_faces=options.save_faces) if options.out else None
        self._recorder = _recorder(options.record) if options.record else None
        self._render, self._show_macros = options.render, options.show_macros
        self._trace = Trace() if options.render else None
        self._markers = Markers() if options.lsl else None
        self._save_clips = options.save_clips
        self._clips: ClipKeeper | None = None
        every: tuple[Observer | None, ...] = (self.folder, self._recorder, self._trace, self._markers)
        super().__init__([one for one in every if one is not None])
        self._who = options.who
        self._recording: Path | None = None
        self._session: Observed | None = None

    @property
    def warnings(self) -> tuple[str, ...]:
        """What went wrong in keeping the records, one line each."""
        parts = (self.folder, self._recorder, self._clips, self._markers)
        return tuple(line for part in parts if part is not None for line in part.warnings)

    @property
    def unwritten(self) -> tuple[str, ...]:
        """What is not on disk, counted; complete once the records are closed."""
        parts = (self.folder, self._recorder, self._clips)
        return tuple(what for part in parts if part is not None for what in part.unwritten)

    def begin(self, session: Observed, recording: Path | None = None) -> None:
        """Call it once the session is open, before it starts. ``recording``: the file or folder it
        replays."""
        self._session, self._recording = session, recording
        if self._render is not None and recording is None:
            raise AtmeError("invalid", "--render needs a recording; use --record for a live session")
        if self._markers is not None:
            self._markers.begin(session)
        if self.folder is not None:
            self.folder.begin(session, recording, self._who)
        if self._recorder is not None:
            source = session.source
            self._recorder.begin(source.size, source.nominal_fps, live=source.live)
        if self._save_clips and self.folder is not None:
            self._clips = self._keep_clips(session, self.folder.path / CLIPS)
            self.add(self._clips)

    def mark(self, time: float, text: str = "") -> bool:
        """A moment marked by the user, seconds on the source's clock. False where nothing keeps it."""
        if self._markers is not None:
            self._markers.mark(time, text)
        return self.folder.mark(time, text) if self.folder is not None else self._markers is not None

    def __enter__(self) -> Records:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._recorder is not None:
            self._recorder.close()
        if self._clips is not None:
            self._clips.close()
        if self.folder is not None:
            if self._recorder is not None:
                self.folder.add(video=self._recorder.summary())
            self.folder.__exit__(kind, error, trace)
        if self._trace is not None and error is None and self._recording is not None:
            self._draw(self._trace.session(self._recording))

    def _keep_clips(self, session: Observed, folder: Path) -> ClipKeeper:
        from stream.records.video.clip_keeper import ClipKeeper

        try:
            source = session.source
            return ClipKeeper(folder, source.size, source.nominal_fps, live=source.live)
        except OSError as error:
            raise AtmeError(
                "unwritable", f"{folder}: cannot be made ({error.strerror}); name an --out you may write to"
            ) from error

    def _draw(self, session: RecordedSession) -> None:
        from stream.records.video.render import render_video

        assert self._render is not None
        assert self._recording is not None
        assert self._session is not None
        with progress_bar(f"drawing {self._render.name}", 1.0, counted=False) as bar:
            render_video(
                self._recording,
                session,
                self._render,
                show_macros=self._show_macros,
                clock=self._session.settings.session.recording_clock,
                progress=bar,
            )


def _check_who(who: Who, out: Path | None) -> None:
    """AtmeError where nothing would store it, or where the study of ``out`` does not list that name."""
    if out is None:
        raise AtmeError(
            "invalid", "--participant and --condition without --out; name a folder for the session"
        )
    for what, name in (("--participant", who.participant), ("--condition", who.condition)):
        if name:
            checked_name(what, name)
    study = read_study(out.absolute().parent)
    if study is not None:
        study.check(who)


# ---- videos: FFmpeg is loaded where one is written, and nowhere else


def _check_paths(options: RecordOptions) -> None:
    videos = [video for video in (options.record, options.render) if video is not None]
    if videos:
        from stream.records.video.writer import check_video_path

        for video in videos:
            check_video_path(video, coming=options.out)
    if options.record and options.render and same_name(options.record, options.render):
        raise AtmeError("invalid", f"{options.render}: --record and --render name one file; give them two")


def _recorder(path: Path) -> VideoRecorder:
    from stream.records.video.record import VideoRecorder

    return VideoRecorder(path)


class Trace(Observer):
    """An observer that keeps curve, events and rejections in memory."""

    def __init__(self) -> None:
        self._rows: list[tuple[int, float, bool, float, float]] = []
        self._events: list[Expression] = []
        self._rejections: list[Rejection] = []

    def frame(self, frame: Frame, sample: MotionSample, threshold: float) -> None:
        """One point of the curve."""
        self._rows.append((sample.frame, sample.time, sample.face, sample.signal, threshold))

    def event(
        self, event: Expression, onset: Frame | None, apex: Frame | None, features: PairFeatures | None
    ) -> None:
        """One event."""
        self._events.append(event)

    def rejection(self, rejection: Rejection) -> None:
        """One rejection."""
        self._rejections.append(rejection)

    def session(self, path: Path) -> RecordedSession:
        """What was seen, as if read from disk."""
        table = np.array(self._rows, np.float64).reshape(-1, 5)
        motion = Motion(table[:, 0].astype(np.int64), table[:, 1], table[:, 2] > 0, table[:, 3], table[:, 4])
        events = tuple(sorted(self._events, key=lambda event: event.onset))
        return RecordedSession(path, events, tuple(self._rejections), motion=motion)
