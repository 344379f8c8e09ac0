"""Titles: words in any script and logos, laid over the picture before the limiter, live and in videos."""

import shutil
from fractions import Fraction
from pathlib import Path

import av
import flash_reference as reference
import numpy as np
import pytest
import torch
from conftest import SR
from PIL import Image, ImageDraw, ImageFont

from visualizer.audio.accents import Accents
from visualizer.audio.song import Recording, Song
from visualizer.common.errors import UserError
from visualizer.control import preset as presets
from visualizer.control.captions import CaptionTable, LogoTable
from visualizer.offline import engine as offline
from visualizer.picture.stage import Stage
from visualizer.picture.titles import blocks, fonts, lettering
from visualizer.picture.titles.blocks import Title
from visualizer.picture.titles.fonts import Face
from visualizer.picture.titles.layer import Titles

pytestmark = pytest.mark.usefixtures("one_thread")

LATIN = "/usr/share/fonts/truetype/dejavu/DejaVuSans-Bold.ttf"
CHINESE = "/usr/share/fonts/truetype/droid/DroidSansFallbackFull.ttf"
with_fonts = pytest.mark.skipif(
    not (Path(LATIN).exists() and Path(CHINESE).exists()),
    reason="fonts are missing (Debian: apt install fonts-dejavu-core fonts-droid-fallback)",
)
SIZE = 40.0


@pytest.fixture
def two_fonts(monkeypatch):
    """A machine with two fonts."""
    monkeypatch.setattr(fonts, "faces", lambda: (Face(LATIN), Face(CHINESE)))
    for cached in (fonts.face_of, fonts._has, blocks.draw):
        cached.cache_clear()
    yield
    for cached in (fonts.face_of, fonts._has, blocks.draw):
        cached.cache_clear()


def plainly(text, path=LATIN):
    """[h, w] float: letters set one after the other from the left, by FreeType alone."""
    font = ImageFont.truetype(path, SIZE * 4, layout_engine=ImageFont.Layout.BASIC)
    mask = Image.new("L", (4 * 600, 4 * 60))
    ImageDraw.Draw(mask).text((24, 4 * 44), text, fill=255, font=font, anchor="ls")
    return np.asarray(mask.reduce(4), float) / 255


def inked(mask):
    """The part of a mask that is not empty."""
    rows, columns = np.flatnonzero(mask.max(1) > 0.1), np.flatnonzero(mask.max(0) > 0.1)
    return mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def assert_alike(mask, truth):
    mask, truth = inked(mask), inked(truth)
    assert np.abs(np.subtract(mask.shape, truth.shape)).max() <= 1
    h, w = np.minimum(mask.shape, truth.shape)
    assert np.abs(mask[:h, :w] - truth[:h, :w]).mean() < 0.08  # half a pixel aside


# --- letters --------------------------------------------------------------------------------------


@with_fonts
@pytest.mark.parametrize(
    "text, seen",
    [
        # Unicode's own code points of joined letters, in the order in which they stand on paper.
        ("\u0633\u0644\u0627\u0645", "\ufee1\ufefc\ufeb3"),
        ("\u0634\u0645\u0633 12", "12 \ufeb2\ufee4\ufeb7"),
        ("\u05e9\u05dc\u05d5\u05dd", "\u05dd\u05d5\u05dc\u05e9"),
        ("Live \u05e9\u05dc 99", "Live 99 \u05dc\u05e9"),
        ("Ñandú Ёлка Ωδή", "Ñandú Ёлка Ωδή"),
    ],
)
def test_letters_are_joined_and_ordered(two_fonts, text, seen):
    if lettering.needs_shaping(text) and not lettering.shapes():
        pytest.skip("Pillow has no Raqm, or no FriBidi (Debian: apt install libfribidi0)")
    assert_alike(lettering.write(text, SIZE), plainly(seen))


@with_fonts
def test_what_the_first_font_lacks_comes_from_another(two_fonts):
    assert fonts.face_of("春") == Face(CHINESE) and fonts.face_of("a") == Face(LATIN)
    assert_alike(lettering.write("春の海", SIZE), plainly("春の海", CHINESE))
    mixed, parts = lettering.write("春 ab", SIZE), (("春", CHINESE), ("ab", LATIN))
    widths = [inked(plainly(*part)).shape[1] for part in parts]
    assert_alike(mixed[:, : round(0.15 * SIZE) + widths[0] + 6], plainly(*parts[0]))
    assert_alike(mixed[:, -round(0.15 * SIZE) - widths[1] - 6 :], plainly(*parts[1]))
    # A line from the right has its first word there, whatever font it takes.
    turned = lettering.write("\u05e9\u05dc 春", SIZE)
    assert_alike(turned[:, : round(0.15 * SIZE) + widths[0] + 6], plainly(*parts[0]))


@with_fonts
def test_what_no_font_has_is_told(two_fonts):
    assert blocks.complaint("Blue 春 Monday") == ""
    sentence = blocks.complaint("na ग na ग ཀ")
    assert "no font here has गཀ" in sentence and "apt install" in sentence


def test_there_is_always_a_font(monkeypatch):
    monkeypatch.setattr(fonts, "_asked", list)
    monkeypatch.setattr(fonts, "_searched", list)
    (own,) = fonts.faces.__wrapped__()
    assert ImageFont.truetype(own.path, 20).getname()[0]
    if shutil.which("fc-match"):
        monkeypatch.undo()
        assert len(fonts.faces()) >= 1 and all(Path(face.path).is_file() for face in fonts.faces())


def test_titles_are_clean_and_not_endless():
    assert blocks.clean(" a\x00b\u200bc \r\n\n\n d\te ") == "abc\nde"
    assert len(blocks.clean("x" * 10_000)) == blocks.LONGEST
    assert blocks.clean("\n".join("abcdefgh")).count("\n") == blocks.MOST_LINES - 1


@pytest.mark.parametrize("words", ["W" * 30, "ab " * 66, "春" * 99, "a\nb\nc\nd\ne", "x"])
@pytest.mark.parametrize("shape", [(248, 441), (441, 248), (60, 100)])
def test_titles_stay_within_the_frame(words, shape):
    for where, size in (("top left", 0.09), ("bottom right", 0.4), ("centre", 0.03)):
        block = blocks.draw(Title(words, "", where, size, 0, 1), *shape)
        h, w, _ = block.keep.shape
        assert block.top >= 0 and block.left >= 0 and block.top + h <= shape[0] and block.left + w <= shape[1]
        # Nothing is cut off at the edges of the block: the letters end before.
        assert block.light[[0, -1]].max() < 60 and block.light[:, [0, -1]].max() < 60


# --- the layer ------------------------------------------------------------------------------------


def black(h=62, w=110):
    return torch.zeros(h, w, 3, dtype=torch.uint8)


def shown(titles, seconds, frame=None, fps=30):
    """Frames [n, h, w, 3] of so many seconds."""
    frame = black() if frame is None else frame
    return torch.stack([titles(frame, 1 / fps).clone() for _ in range(round(seconds * fps))]).numpy()


def test_a_title_comes_stays_and_goes():
    titles, frame = Titles(), black()
    assert titles(frame, 1 / 30) is frame
    titles.dress(CaptionTable(text="Blue Monday", seconds=2, fade=0.5), LogoTable())
    light = shown(titles, 3.5).mean((1, 2, 3), dtype=float)
    assert (np.diff(light[:15]) >= 0).all() and light[15] > 2 and (light[16:60] == light[16]).all()
    assert (np.diff(light[60:]) <= 0).all() and light[80:].max() == 0
    assert titles(frame, 1 / 30) is frame
    titles.say("Blue Monday")  # once more
    assert shown(titles, 1)[-1].max() > 150
    titles.say("")
    assert shown(titles, 1)[-1].max() == 0


def test_only_its_own_place_is_touched_and_the_next_waits_until_it_is_gone():
    titles = Titles()
    titles.dress(CaptionTable(text="Aa", where="bottom left", fade=0.25), LogoTable())
    noise = torch.randint(0, 256, (62, 110, 3), generator=torch.Generator().manual_seed(0)).to(torch.uint8)
    before = noise.clone()
    frames = shown(titles, 1, noise)
    changed = (frames[-1] != before.numpy()).any(-1)
    assert torch.equal(noise, before)
    assert changed[40:, :40].any() and not changed[:31].any() and not changed[:, 60:].any()
    titles.dress(CaptionTable(text="Bb", where="top right", fade=0.25), LogoTable())
    seen = [((f[:31] > 99).any(), (f[31:] > 99).any()) for f in shown(titles, 1)]
    assert seen[0] == (False, True) and seen[-1] == (True, False) and (True, True) not in seen


def logo_file(folder, colour=(255, 0, 255, 255), size=(40, 40)):
    path = folder / "logo.png"
    Image.new("RGBA", size, colour).save(path)
    return path


def test_a_logo_is_blended_by_its_transparency_and_stays(tmp_path):
    path = logo_file(tmp_path, (200, 100, 50, 128))
    titles, grey = Titles(), torch.full((62, 110, 3), 80, dtype=torch.uint8)
    titles.dress(CaptionTable(), LogoTable(file=str(path), size=0.3, where="centre"))
    frame = shown(titles, 30, grey, fps=10)[-1].astype(int)
    truth = np.array([200, 100, 50]) * 128 / 255 + 80 * (1 - 128 / 255)
    assert np.abs(frame[24:38, 48:62] - truth).max() <= 1.01
    assert (frame[:20] == 80).all() and (frame[42:] == 80).all()
    titles.with_logo = False
    assert (shown(titles, 2, grey)[-1] == 80).all()
    # Another shape of the window is another drawing, and a file that is gone by then no end of the show.
    titles.with_logo = True
    assert (shown(titles, 2, grey)[-1] != 80).any()
    path.unlink()
    blocks.read_logo.cache_clear()
    assert (titles(black(100, 100), 0.1) == 0).all()


def test_nobody_can_make_titles_flash():
    stage = Stage(16 / 9, picture_size=56)
    look = presets.load(presets.find("garden")).having({"caption.size": 0.4, "caption.fade": 0.25})
    stage.play(look, stage.effects(look), 0)
    frames, picture = [], black(56, 56)
    for number in range(100):
        if number % 3 == 0:
            stage.titles.say("" if number % 2 else "MMMM\nMMMM")
        frames.append(stage(picture, Accents(), 1 / 30).numpy())
    frames = np.stack(frames)
    assert frames.max() > 150
    assert not reference.judge(frames, np.arange(len(frames)) / 30)


# --- presets, songs, videos -----------------------------------------------------------------------


def write(folder, text):
    path = folder / "mine.toml"
    path.write_text('title = "Mine"\n' + text)
    return path


@pytest.mark.parametrize(
    "text, sentence",
    [
        ('[caption]\nwords = "a"', "unknown key 'caption.words'; allowed here are text, song, where"),
        ('[caption]\nwhere = "up"', "caption.where = 'up' won't do"),
        ("[logo]\nsize = 3", "logo.size = 3"),
        ('[logo]\nfile = "none.png"', "logo.file = 'none.png': there is no such file"),
    ],
)
def test_mistakes_in_a_preset_are_told(tmp_path, text, sentence):
    with pytest.raises(UserError, match=sentence):
        presets.load(write(tmp_path, text))


def test_a_presets_logo_lies_beside_it_and_must_be_a_picture(tmp_path):
    look = presets.load(write(tmp_path, f'[logo]\nfile = "{logo_file(tmp_path).name}"'))
    stage = Stage(1.0)
    stage.play(look, stage.effects(look), 0)
    (tmp_path / "logo.png").write_text("no picture")
    blocks.read_logo.cache_clear()
    blocks.draw.cache_clear()
    with pytest.raises(UserError, match=r"logo\.png can't be read as a logo .* give a PNG file"):
        stage.effects(look)


@pytest.mark.parametrize("suffix", ["flac", "ogg", "mp3", "m4a"])
def test_a_songs_heading_is_in_its_tags(tmp_path, suffix):
    path = tmp_path / f"02 track.{suffix}"
    names, sr = {"flac": "flac", "ogg": "libopus", "mp3": "libmp3lame", "m4a": "aac"}, 48000
    for tags, heading in (({}, "02 track"), ({"title": "Été", "artist": "Björk"}, "Été\nBjörk")):
        with av.open(str(path), "w") as container:
            stream = container.add_stream(names[suffix], rate=sr, layout="stereo")
            for target in (container, stream):
                target.metadata.update(tags)
            kind = stream.codec_context.format.name
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 2 * sr), np.int16), "s16", "stereo")
            frame.sample_rate = sr
            for part in av.AudioResampler(kind, "stereo", sr, frame_size=960).resample(frame):
                container.mux(stream.encode(part))
            container.mux(stream.encode(None))
        assert Song(path).heading == heading


def test_a_video_has_its_songs_title_and_the_logo(tmp_path):
    look, codebook, motion = offline.open_parts("everything", songs=True, logo=logo_file(tmp_path))
    song = Recording("Blue Monday", np.zeros((2 * SR, 2), np.float32))
    path = tmp_path / "video.mp4"

    def paint(shapes, matters=None):
        return np.zeros((len(shapes), 256, 256, 3), np.uint8)

    paint = offline.painted_by(paint)
    offline.render(song, {path: (256, 144)}, look, motion, codebook, paint, Fraction(10))
    with av.open(str(path)) as container:
        frames = [frame.to_ndarray(format="rgb24").astype(int) for frame in container.decode(video=0)]
    logo = frames[-1][12:24, -28:-16]
    assert np.abs(logo - (255, 0, 255)).max() < 40 and frames[0][:, :, 1].max() < 40
    words = frames[-1][100:140, :128]
    assert words.max() > 180 and frames[-1][60:90].max() < 30


def test_a_live_songs_title_and_what_somebody_writes():
    from visualizer.live.titling import Titling

    class Now:
        """A backstage without a thread."""

        def __init__(self):
            self.warnings = []
            self.warn = self.warnings.append

        def do(self, job):
            job()

        tell = do

    class Playing:
        heading = "Blue Monday\nNew Order"

    stage = Stage(16 / 9, picture_size=56)
    look = presets.load(presets.find("everything")).with_titles(True, None)
    stage.play(look, stage.effects(look), 0)
    backstage = Now()
    titling = Titling(stage, backstage)

    def read():
        wanted = stage.titles._words.wanted
        return wanted.words if wanted else ""

    for _ in range(3):
        titling.follow(Playing)
    assert read() == "Blue Monday\nNew Order"
    titling.say("Hello")
    titling.follow(Playing)
    assert read() == "Hello"
    Playing.heading = "Age of Consent"  # the next song of a list
    titling.follow(Playing)
    assert read() == "Age of Consent" and not backstage.warnings
    titling.say("\U00013000\U0001e900")
    assert "no font here has" in backstage.warnings[0] or fonts.face_of("\U00013000")


def test_a_logo_that_is_not_there_is_told_before_anything_is_made(tmp_path):
    with pytest.raises(UserError, match=r"none\.png: no such logo; check the path"):
        offline.open_parts("garden", logo=tmp_path / "none.png")
