"""Make the odd and the broken image files, and what becomes of each: good/, broken/ and expected.json.

    python -m venv .venv
    .venv/bin/pip install pillow==13.0.0 numpy==2.4.6
    .venv/bin/python tests/images/generate.py              # writes beside this script
    .venv/bin/python tests/images/generate.py --output DIR  # or elsewhere, to compare

The committed files were made with these versions on Python 3.11, and a second run gives the same bytes. Other versions
may compress otherwise; the pixels of files without losses stay what they are. `tests/images/README.md` describes all.
"""

import argparse
import hashlib
import io
import json
import shutil
import struct
import warnings
import zipfile
import zlib
from itertools import groupby, pairwise
from pathlib import Path

import numpy as np
import PIL
from PIL import Image, ImageOps

# Levels that another decoder may differ by. JPEG leaves the rounding to the decoder, and how chroma of half the size
# grows. zune-jpeg 0.5.15 and Pillow's libjpeg-turbo are 2 levels apart on these files, and were 4 on a like one.
JPEG = 4
HALVED = 5
# image-webp 0.2.4 gives what Pillow's libwebp gives; one level for processors that round otherwise.
LOSSY_WEBP = 1
# Five bits become eight by rounding or by cutting off.
FIVE_BITS = 1

REASONS = ["truncated", "no image", "too large", "corrupt", "empty"]

good, broken = {}, {}


def picture(height, width):
    """A ramp with a few steps: no two rows or columns alike, so that every wrong turn shows."""
    y, x = np.mgrid[0:height, 0:width]
    red, green = 12 + x * 220 // width, 235 - y * 210 // height
    blue = 60 + (x // 5 + y // 4) % 2 * 110 + x + y
    return np.stack([red, green, blue], axis=-1).astype(np.uint8)


def deep(height, width, channels):
    """16 bits: the lower byte is never what the upper is, so that each way to narrow gives something else."""
    y, x, channel = np.mgrid[0:height, 0:width, 0:channels]
    return ((x * 5003 + y * 7919 + channel * 12007 + 0x01C0) % 65536).astype(np.uint16)


def ramp(image):
    """An alpha for each pixel, from nothing to everything."""
    return np.linspace(0, 255, image[..., 0].size).astype(np.uint8).reshape(image.shape[:2])


HEIGHT, WIDTH = 5, 6  # of what is kept without losses
LOSSLESS = picture(HEIGHT, WIDTH)
SMALL = picture(5, 9)
SMOOTH = picture(9, 17)
TALL = picture(17, 17)  # two rows of blocks where chroma is halved
GREY = LOSSLESS[..., 0]


# ------------------------------------------------------------------------------------------------------- the formats


def saved(image, format, **options):
    """Bytes of an image, of an array or a Pillow image."""
    image = Image.fromarray(image) if isinstance(image, np.ndarray) else image
    out = io.BytesIO()
    image.save(out, format, **options)
    return out.getvalue()


def jpeg(image, subsampling="4:4:4", optimize=True, **options):
    """Small: with Huffman tables of its own."""
    return saved(image, "JPEG", quality=92, subsampling=subsampling, optimize=optimize, **options)


def segments(data):
    """`{marker: (start, end)}` of a JPEG's segments up to the start of its only scan; the first of each marker."""
    found, at = {}, 2
    while True:
        marker, length = data[at + 1], struct.unpack_from(">H", data, at + 2)[0]
        found.setdefault(marker, (at, at + 2 + length))
        if marker == 0xDA:
            return found
        at += 2 + length


def segment(marker, payload):
    return bytes([0xFF, marker]) + struct.pack(">H", len(payload) + 2) + payload


def after_soi(data, *more):
    return data[:2] + b"".join(more) + data[2:]


def without(data, marker):
    """A JPEG less all segments of a marker."""
    while marker in segments(data):
        start, end = segments(data)[marker]
        data = data[:start] + data[end:]
    return data


def patched(data, at, new):
    assert at + len(new) <= len(data)
    return data[:at] + new + data[at + len(new) :]


def with_size(data, height, width):
    """A JPEG whose frame header claims another size."""
    frame = next(segments(data)[marker] for marker in (0xC0, 0xC2) if marker in segments(data))
    return patched(data, frame[0] + 5, struct.pack(">HH", height, width))


def exif(orientation, order="<"):
    """A TIFF header and a directory whose only entry is the orientation."""
    magic = b"II*\0" if order == "<" else b"MM\0*"
    return magic + struct.pack(order + "IHHHIHHI", 8, 1, 0x0112, 3, 1, orientation, 0, 0)


def with_exif(data, tiff):
    return after_soi(data, segment(0xE1, b"Exif\0\0" + tiff))


def chunk(kind, payload, crc=None):
    crc = zlib.crc32(kind + payload) if crc is None else crc
    return struct.pack(">I", len(payload)) + kind + payload + struct.pack(">I", crc)


SIGNATURE = b"\x89PNG\r\n\x1a\n"
END = chunk(b"IEND", b"")
COLOR_TYPES = {1: 0, 2: 4, 3: 2, 4: 6}
PALETTE = 3


def ihdr(width, height, depth=8, color_type=2, interlaced=0, crc=None):
    return chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, color_type, 0, 0, interlaced), crc)


def packed(values, depth):
    """Rows as PNG has them, unfiltered. Values are `[height, width, channels]`."""
    height, width, channels = values.shape
    if depth == 16:
        rows = values.astype(">u2").reshape(height, -1).view(np.uint8)
    elif depth == 8:
        rows = values.astype(np.uint8).reshape(height, -1)
    else:
        bits = values.reshape(height, width, 1) >> np.arange(depth - 1, -1, -1) & 1
        rows = np.packbits(bits.reshape(height, -1).astype(np.uint8), axis=1)
    return b"".join(b"\0" + row.tobytes() for row in rows)


# First column and row, and steps, of Adam7's passes.
PASSES = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]


def png(values, depth=8, color_type=None, before=b"", after=b"", interlaced=False, pieces=None):
    """A PNG of an array. `before` and `after` are chunks around the data, `pieces` the sizes that these come in."""
    values = values[..., None] if values.ndim == 2 else values
    height, width, channels = values.shape
    color_type = COLOR_TYPES[channels] if color_type is None else color_type
    if interlaced:
        parts = [values[row::down, column::right] for column, row, right, down in PASSES]
        data = b"".join(packed(part, depth) for part in parts if part.size)
    else:
        data = packed(values, depth)
    data = zlib.compress(data, 9)
    cuts = [0, *np.cumsum(pieces or []).tolist(), len(data)]
    idat = b"".join(chunk(b"IDAT", data[start:end]) for start, end in pairwise(cuts))
    return SIGNATURE + ihdr(width, height, depth, color_type, int(interlaced)) + before + idat + after + END


def bare_png(header, data, before=b""):
    """A PNG of any header and any data, compressed or not."""
    return SIGNATURE + header + before + chunk(b"IDAT", data) + END


def plte(colors):
    return chunk(b"PLTE", np.asarray(colors, np.uint8).tobytes())


def riff(*chunks):
    """A WebP file of `(kind, payload)`."""
    body = b"WEBP"
    for kind, payload in chunks:
        body += kind + struct.pack("<I", len(payload)) + payload + b"\0" * (len(payload) % 2)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def riff_chunks(data):
    found, at = [], 12
    while at < len(data):
        kind, length = data[at : at + 4], struct.unpack_from("<I", data, at + 4)[0]
        found.append((kind, data[at + 8 : at + 8 + length]))
        at += 8 + length + length % 2
    return found


def vp8x(width, height, flags=0):
    return b"VP8X", struct.pack("<I", flags) + struct.pack("<I", width - 1)[:3] + struct.pack("<I", height - 1)[:3]


def bmp(width, height, bits, data, compression=0, colors=(), header=40, more=b"", planes=1):
    """A bitmap. A negative height means top-down; `header` 12 is OS/2's; `more` follows a header of 40 bytes."""
    if header == 12:
        info = struct.pack("<IHHHH", 12, width, height, planes, bits)
        table = b"".join(bytes([blue, green, red]) for red, green, blue in colors)
    else:
        numbers = (header, width, height, planes, bits, compression, len(data), 2835, 2835, len(colors), 0)
        info = struct.pack("<IiiHHIIiiII", *numbers) + more
        table = b"".join(bytes([blue, green, red, 0]) for red, green, blue in colors)
    offset = 14 + len(info) + len(table)
    return b"BM" + struct.pack("<IHHI", offset + len(data), 0, 0, offset) + info + table + data


def bmp_rows(values, bottom_up=True):
    """Rows of bytes, padded to four."""
    rows = values[::-1] if bottom_up else values
    return b"".join(row.tobytes() + b"\0" * (-row.nbytes % 4) for row in rows)


# ----------------------------------------------------------------------------------------------- what must come of it


def treated(data):
    """RGB as documented: upright, alpha dropped, the upper 8 of 16 bits, grey repeated, palettes looked up."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about Exif that isn't in order, and alphas of a palette
        image = Image.open(io.BytesIO(data))
        image.load()
        image = ImageOps.exif_transpose(image)
        if image.mode.startswith("I;16"):
            values = (np.asarray(image) >> 8).astype(np.uint8)
        elif image.mode in ("L", "LA", "RGB", "RGBA"):
            values = np.asarray(image)
        else:
            assert image.mode in ("1", "P", "CMYK"), image.mode
            values = np.asarray(image.convert("RGB"))
    if values.ndim == 2:
        values = values[..., None]
    values = values[..., : 1 if values.shape[2] < 3 else 3]
    return np.repeat(values, 3, axis=2) if values.shape[2] == 1 else values


def add_good(name, what, data, tolerance=0, pixels=None, **more):
    """`pixels`: what went in, where nothing may get lost."""
    assert name not in good
    values = treated(data)
    if pixels is not None:
        pixels = np.asarray(pixels)
        pixels = np.repeat(pixels[..., None], 3, axis=2) if pixels.ndim == 2 else pixels
        apart = np.abs(values.astype(int) - pixels.astype(int)).max()
        assert values.shape == pixels.shape and apart <= tolerance, (name, values.shape, apart)
    expected = {"shape": list(values.shape), "data": values.ravel().tolist()}
    good[name] = (data, {"what": what, "tolerance": tolerance, **more, **expected})


def add_broken(name, what, reason, data, note=None):
    """A note makes it one that the decoders may take."""
    assert name not in broken and reason in REASONS
    doubt = {"unsure": True, "note": note} if note else {}
    broken[name] = (data, {"what": what, "reason": reason, **doubt})


# --------------------------------------------------------------------------------------------------------------- JPEG


def good_jpeg():
    add_good("baseline.jpg", "baseline, chroma at full size", jpeg(SMOOTH, optimize=False), JPEG)
    add_good("grey.jpg", "one component", jpeg(SMOOTH[..., 0]), JPEG)
    add_good("halved_420.jpg", "chroma of half the width and height", jpeg(TALL, subsampling="4:2:0"), HALVED)
    add_good("halved_422.jpg", "chroma of half the width", jpeg(SMOOTH, subsampling="4:2:2"), HALVED)
    add_good("progressive.jpeg", "progressive, and .jpeg", jpeg(SMOOTH, progressive=True), JPEG)
    data = jpeg(TALL, subsampling="4:2:0", progressive=True)
    add_good("progressive_420.jpg", "progressive, chroma of half the width and height", data, HALVED)
    add_good("restarts.jpg", "a restart marker after every block", jpeg(SMOOTH, restart_marker_blocks=1), JPEG)
    add_good("rgb.jpg", "RGB, not YCbCr", jpeg(SMOOTH, keep_rgb=True), JPEG)
    add_good("one_pixel.jpg", "a single pixel", jpeg(SMOOTH[:1, :1]), JPEG)

    # Pillow writes CMYK as Photoshop does: inverted, with Adobe's marker.
    cmyk = np.dstack([255 - SMOOTH, ramp(SMOOTH) // 2])
    data = jpeg(Image.fromarray(cmyk, "CMYK"))
    adobe = segments(data)[0xEE][0]
    assert data[adobe + 4 : adobe + 9] == b"Adobe" and data[adobe + 15] == 0
    add_good("cmyk.jpg", "CMYK, inverted as Photoshop writes it", data, JPEG)
    add_good("ycck.jpg", "CMYK as YCCK: Adobe's transform 2", patched(data, adobe + 15, b"\2"), JPEG)

    plain = jpeg(SMALL)
    lying = treated(plain)
    flipped, turned = lying[:, ::-1], lying.transpose(1, 0, 2)
    upright = [lying, flipped, lying[::-1, ::-1], lying[::-1]]
    upright += [turned, turned[:, ::-1], turned[::-1, ::-1], turned[::-1]]
    for orientation, pixels in enumerate(upright, 1):
        order = "<" if orientation % 2 else ">"
        data = with_exif(plain, exif(orientation, order))
        assert (treated(data) == pixels).all()
        what = f"Exif orientation {orientation}, {'little' if order == '<' else 'big'} endian"
        add_good(f"orientation_{orientation}.jpg", what, data, JPEG)
    add_good("orientation_0.jpg", "Exif orientation 0, which means nothing", with_exif(plain, exif(0)), JPEG)
    add_good("broken_exif.jpg", "an Exif block of nonsense", with_exif(plain, b"\xf0nonsense\xff\xd9\0\xff"), JPEG)
    data = with_exif(plain, b"II*\0\xff\xff\xff\x7f" + exif(6)[8:])
    add_good("broken_exif_offset.jpg", "an Exif block whose directory lies behind its end", data, JPEG)
    data = with_exif(plain, exif(6)[:14])
    add_good("broken_exif_short.jpg", "an Exif block that ends within its directory", data, JPEG)

    thumbnail = exif(1)[:-4] + struct.pack("<IHHHIIHHIII", 26, 2, 0x0201, 4, 1, 56, 0x0202, 4, 1, 0, 0)
    small = jpeg(SMALL[:2, :2])
    thumbnail = patched(thumbnail, 48, struct.pack("<I", len(small))) + small
    add_good("thumbnail.jpg", "a whole JPEG as thumbnail within Exif", with_exif(plain, thumbnail), JPEG)
    data = after_soi(plain, segment(0xFE, b"\xff\xd9 the end?"))
    add_good("end_in_comment.jpg", "the bytes of an end marker in a comment", data, JPEG)
    quantization = segments(plain)[0xDB][0]
    data = plain[:quantization] + b"\xff\xff\xff" + plain[quantization:]
    add_good("fill_bytes.jpg", "fill bytes before a marker", data, JPEG)
    add_good("trailing_garbage.jpg", "bytes after the end", plain + b"\0\0 what's this?\xff\xd8\xff\0", JPEG)
    add_good("trailing_jpeg.jpg", "another JPEG after the end", plain + jpeg(SMALL[::-1]), JPEG)
    add_good("UPPER.JPG", "an extension in capitals", plain, JPEG)
    return thumbnail


def broken_jpeg(thumbnail):
    plain = jpeg(SMOOTH)
    scan = segments(plain)[0xDA][1]
    middle = scan + (len(plain) - scan) // 2
    add_broken("half.jpg", "JPEG without its second half", "truncated", plain[: len(plain) // 2])
    add_broken("half_scan.jpg", "JPEG cut within its scan", "truncated", plain[:middle])
    add_broken("no_end.jpg", "JPEG without its last two bytes, the end marker", "truncated", plain[:-2])
    add_broken("half_end.jpg", "JPEG without its last byte", "truncated", plain[:-1])
    data = plain[:middle] + b"\0" * (len(plain) - middle)
    add_broken("zero_tail.jpg", "JPEG whose second half was never written: zeros", "truncated", data)
    data = jpeg(SMOOTH, progressive=True)
    data = data[: len(data) * 2 // 3]
    add_broken("progressive_half.jpg", "progressive JPEG without its last scans", "truncated", data)
    data = with_exif(plain, thumbnail)
    add_broken("thumbnail_cut.jpg", "JPEG cut, but its thumbnail is whole", "truncated", data[:-60])
    add_broken("header_only.jpg", "JPEG that ends before its scan", "truncated", plain[: segments(plain)[0xDA][0]])
    add_broken("start_only.jpg", "the first three bytes of a JPEG", "truncated", plain[:3])
    add_broken("huge.jpg", "JPEG that claims 65500 x 65500 pixels", "too large", with_size(plain, 65500, 65500))
    data = with_size(plain, 16385, 1)
    add_broken("huge_side.jpg", "JPEG that claims a pixel too many on one side", "too large", data)
    data = with_size(plain, 16384, 16384)
    add_broken("huge_area.jpg", "JPEG of 16384 x 16384 pixels: each side may be, but not 768 MiB", "too large", data)
    add_broken("zero_width.jpg", "JPEG that claims a width of 0", "corrupt", with_size(plain, 9, 0))
    add_broken("zero_height.jpg", "JPEG that claims a height of 0", "corrupt", with_size(plain, 0, 17))
    add_broken("no_image.jpg", "JPEG of nothing but start and end", "corrupt", b"\xff\xd8\xff\xd9")
    add_broken("no_huffman.jpg", "JPEG without Huffman tables", "corrupt", without(plain, 0xC4))
    add_broken("no_quantization.jpg", "JPEG without quantization tables", "corrupt", without(plain, 0xDB))
    add_broken("no_frame.jpg", "JPEG without a frame header", "corrupt", without(plain, 0xC0))
    frame = segments(plain)[0xC0][0]
    add_broken("12_bits.jpg", "JPEG that claims 12 bits", "corrupt", patched(plain, frame + 4, b"\x0c"))
    add_broken("arithmetic.jpg", "JPEG that claims arithmetic coding", "corrupt", patched(plain, frame + 1, b"\xc9"))
    add_broken("lossless.jpg", "JPEG that claims to be lossless", "corrupt", patched(plain, frame + 1, b"\xc3"))

    lenient = "taken: zune-jpeg 0.5.15 fills up what it cannot decode, unless it is strict, as image 0.25.10 isn't"
    data = plain[: middle - 20] + b"\0" * 40 + plain[middle + 20 :]
    add_broken("zero_scan.jpg", "JPEG with 40 zeros within its scan", "corrupt", data, lenient)
    data = plain[:middle] + b"\xff\xd9"
    add_broken("early_end.jpg", "JPEG with an end marker in the middle of its scan", "truncated", data, lenient)
    data = plain[:middle] + b"\xff\xfe\0\2" + b"\xa7" * 30 + b"\xff\xd9"
    add_broken("scan_garbage.jpg", "JPEG with a comment and garbage within its scan", "corrupt", data, lenient)


# ---------------------------------------------------------------------------------------------------------------- PNG


def good_png():
    add_good("rgb.png", "8 bits", png(LOSSLESS), pixels=LOSSLESS)
    add_good("grey.png", "grey, 8 bits", png(GREY), pixels=GREY)
    for depth in (1, 2, 4):
        levels = GREY >> 8 - depth
        pixels = levels * (255 // (2**depth - 1))
        add_good(f"grey_{depth}bit.png", f"grey of {depth} bit", png(levels, depth), pixels=pixels)
    for channels, name in ((1, "grey"), (2, "grey_alpha"), (3, "rgb"), (4, "rgba")):
        values = deep(HEIGHT, WIDTH, channels)
        pixels = values[..., : 1 if channels < 3 else 3] >> 8
        pixels = pixels[..., 0] if channels < 3 else pixels
        add_good(f"{name}_16bit.png", f"{name}, 16 bits".replace("_", " and "), png(values, 16), pixels=pixels)
    add_good(
        "rgba.png",
        "with alpha, which is dropped and not blended",
        png(np.dstack([LOSSLESS, ramp(LOSSLESS)])),
        pixels=LOSSLESS,
    )
    add_good("grey_alpha.png", "grey with alpha", png(np.dstack([GREY, ramp(LOSSLESS)])), pixels=GREY)

    indices = (GREY // 16).astype(np.uint8)
    colors = np.array([[index * 15, 250 - index * 13, (index * 97) % 256] for index in range(16)], np.uint8)
    transparent = chunk(b"tRNS", bytes(range(0, 240, 24)))
    add_good("palette.png", "palette, 8 bits", png(indices, 8, PALETTE, plte(colors)), pixels=colors[indices])
    for depth in (1, 2, 4):
        few = indices >> 4 - depth
        data = png(few, depth, PALETTE, plte(colors[: 2**depth]))
        add_good(f"palette_{depth}bit.png", f"palette, {depth} bit", data, pixels=colors[few])
    data = png(indices, 8, PALETTE, plte(colors) + transparent)
    add_good("palette_transparent.png", "palette with fewer alphas than colors", data, pixels=colors[indices])
    data = png(GREY, before=chunk(b"tRNS", struct.pack(">H", int(GREY[2, 3]))))
    add_good("grey_transparent.png", "one grey is transparent", data, pixels=GREY)
    data = png(LOSSLESS, before=chunk(b"tRNS", struct.pack(">3H", *LOSSLESS[2, 3].tolist())))
    add_good("rgb_transparent.png", "one color is transparent", data, pixels=LOSSLESS)

    add_good("interlaced.png", "Adam7, 8 bits", png(LOSSLESS, interlaced=True), pixels=LOSSLESS)
    data = png(indices, 4, PALETTE, plte(colors), interlaced=True)
    add_good("interlaced_palette.png", "Adam7, palette of 4 bits", data, pixels=colors[indices])
    values = deep(HEIGHT, WIDTH, 4)
    data = png(values, 16, interlaced=True)
    add_good("interlaced_16bit.png", "Adam7, 16 bits with alpha", data, pixels=values[..., :3] >> 8)
    add_good(
        "one_pixel.png", "a single pixel, interlaced", png(LOSSLESS[:1, :1], interlaced=True), pixels=LOSSLESS[:1, :1]
    )

    pieces = [1, 0, 1, 5, 0]
    add_good("pieces.png", "data in six pieces, two of them empty", png(LOSSLESS, pieces=pieces), pixels=LOSSLESS)
    data = png(LOSSLESS, before=chunk(b"gAMA", struct.pack(">I", 100_000)))
    add_good("gamma.png", "a gamma, which isn't applied", data, pixels=LOSSLESS)
    data = png(LOSSLESS, before=chunk(b"eXIf", exif(6)))
    add_good("orientation_6.png", "Exif orientation 6", data, pixels=np.rot90(LOSSLESS, -1))
    data = png(LOSSLESS, after=chunk(b"eXIf", exif(6)))
    what = "Exif orientation 6, behind the data"
    add_good("orientation_6_late.png", what, data, pixels=np.rot90(LOSSLESS, -1))
    add_good("trailing_garbage.png", "bytes after the end", png(LOSSLESS) + b"\0what's this?", pixels=LOSSLESS)
    # An extra frame after the one that all programs show.
    frame = (WIDTH, HEIGHT, 0, 0, 1, 10, 0, 0)
    before = chunk(b"acTL", struct.pack(">II", 2, 0)) + chunk(b"fcTL", struct.pack(">IIIIIHHBB", 0, *frame))
    second = struct.pack(">I", 2) + zlib.compress(packed(255 - LOSSLESS, 8), 9)
    after = chunk(b"fcTL", struct.pack(">IIIIIHHBB", 1, *frame)) + chunk(b"fdAT", second)
    add_good("animated.png", "two frames; the first counts", png(LOSSLESS, before=before, after=after), pixels=LOSSLESS)

    add_good("png_inside.jpg", "PNG named .jpg", png(LOSSLESS), pixels=LOSSLESS)
    add_good("jpeg_inside.png", "JPEG named .png", jpeg(SMALL), JPEG)
    add_good(
        "Größe 猫 – Kopie (1).png", "a name with spaces, letters of all sorts and signs", png(LOSSLESS), pixels=LOSSLESS
    )


def broken_png():
    plain = png(LOSSLESS)
    rows = packed(LOSSLESS, 8)
    data = zlib.compress(rows, 9)
    header = ihdr(WIDTH, HEIGHT)
    add_broken("half.png", "PNG without its second half", "truncated", plain[: len(plain) // 2])
    add_broken("no_end.png", "PNG without its last chunk", "truncated", plain[: -len(END)])
    add_broken("header_only.png", "PNG that ends after its header", "truncated", SIGNATURE + header)
    add_broken("signature_only.png", "the first eight bytes of a PNG", "truncated", SIGNATURE)
    cut = plain[:-40] + b"\0" * 40
    add_broken("zero_tail.png", "PNG whose last part was never written: zeros", "corrupt", cut)
    add_broken("no_data.png", "PNG without image data", "corrupt", SIGNATURE + header + END)
    add_broken(
        "few_rows.png",
        "PNG with data for half its rows",
        "truncated",
        bare_png(header, zlib.compress(rows[: len(rows) // 2])),
    )
    add_broken(
        "short_data.png",
        "PNG with data that stop within their compression",
        "corrupt",
        bare_png(header, data[: len(data) // 2]),
    )
    wrong = patched(plain, len(plain) - len(END) - 4, b"\xde\xad\xbe\xef")
    add_broken("wrong_data_crc.png", "PNG with a wrong checksum of its data", "corrupt", wrong)
    flipped = bytearray(plain)
    flipped[plain.index(b"IDAT") + 30] ^= 0x10
    add_broken("flipped_bit.png", "PNG with one bit of its data flipped", "corrupt", bytes(flipped))
    add_broken(
        "wrong_header_crc.png",
        "PNG with a wrong checksum of its header",
        "corrupt",
        bare_png(ihdr(WIDTH, HEIGHT, crc=1), data),
    )
    add_broken(
        "bad_zlib_header.png", "PNG whose data don't begin as zlib's", "corrupt", bare_png(header, b"\0\0" + data[2:])
    )
    add_broken(
        "bad_deflate.png",
        "PNG with an impossible block within its data",
        "corrupt",
        bare_png(header, data[:2] + b"\xff" * 40),
    )
    add_broken("zero_width.png", "PNG that claims a width of 0", "corrupt", bare_png(ihdr(0, HEIGHT), data))
    add_broken("zero_height.png", "PNG that claims a height of 0", "corrupt", bare_png(ihdr(WIDTH, 0), data))
    add_broken("bad_depth.png", "PNG that claims 7 bits", "corrupt", bare_png(ihdr(WIDTH, HEIGHT, 7), data))
    add_broken(
        "bad_filter.png",
        "PNG with a row filter that doesn't exist",
        "corrupt",
        bare_png(header, zlib.compress(b"\7" + rows[1:])),
    )
    palette = zlib.compress(packed(np.zeros((HEIGHT, WIDTH, 1), int), 8))
    add_broken(
        "no_palette.png",
        "PNG with indices but no palette",
        "corrupt",
        bare_png(ihdr(WIDTH, HEIGHT, 8, PALETTE), palette),
    )
    unknown = bare_png(header, data, chunk(b"ABCD", b"?"))
    add_broken("unknown_critical.png", "PNG with a chunk that must be understood", "corrupt", unknown)
    add_broken("bomb.png", "PNG that claims 50000 x 50000 pixels", "too large", bare_png(ihdr(50_000, 50_000), data))
    bomb = bare_png(ihdr(16_000, 16_000, 16, 6), zlib.compress(b"\0" * 100_000, 9))
    add_broken("bomb_16bit.png", "PNG of 16000 x 16000 pixels: each side may be, but not 2 GB", "too large", bomb)
    text = plain.replace(b"\r\n", b"\n")
    add_broken("as_text.png", "PNG whose line ends were changed on its way", "no image", text)


# ------------------------------------------------------------------------------------------------------- WebP and BMP


def good_webp():
    add_good("lossless.webp", "lossless", saved(LOSSLESS, "WEBP", lossless=True), pixels=LOSSLESS)
    data = saved(np.dstack([LOSSLESS, ramp(LOSSLESS)]), "WEBP", lossless=True, exact=True)
    add_good("lossless_alpha.webp", "lossless with alpha", data, pixels=LOSSLESS)
    add_good("lossy.webp", "lossy", saved(SMOOTH, "WEBP", quality=80), LOSSY_WEBP)
    data = saved(np.dstack([SMOOTH, ramp(SMOOTH)]), "WEBP", quality=80, exact=True)
    add_good("lossy_alpha.webp", "lossy with alpha", data, LOSSY_WEBP)
    frames = [Image.fromarray(values) for values in (LOSSLESS, 255 - LOSSLESS)]
    data = saved(frames[0], "WEBP", lossless=True, save_all=True, append_images=frames[1:], duration=100)
    add_good("animated.webp", "two frames; the first counts", data, pixels=LOSSLESS)
    bits = riff_chunks(saved(LOSSLESS, "WEBP", lossless=True))[0]
    upright = np.rot90(LOSSLESS)
    data = riff(vp8x(WIDTH, HEIGHT, 0x08), bits, (b"EXIF", exif(8)))
    add_good("orientation_8.webp", "Exif orientation 8", data, pixels=upright)
    data = riff(vp8x(WIDTH, HEIGHT, 0x08), bits, (b"EXIF", b"Exif\0\0" + exif(8)))
    what = "Exif orientation 8, with the prefix that belongs into JPEG but that many write"
    add_good("orientation_8_prefix.webp", what, data, pixels=upright)
    add_good(
        "unknown_chunk.webp",
        "a chunk that nobody knows",
        riff(vp8x(WIDTH, HEIGHT), (b"ABCD", b"?"), bits),
        pixels=LOSSLESS,
    )
    add_good("trailing_garbage.webp", "bytes after the end", riff(bits) + b"what's this?", pixels=LOSSLESS)


def broken_webp():
    lossy, lossless = saved(SMOOTH, "WEBP", quality=80), saved(LOSSLESS, "WEBP", lossless=True)
    vp8, vp8l = riff_chunks(lossy)[0], riff_chunks(lossless)[0]
    assert vp8[0] == b"VP8 " and vp8l[0] == b"VP8L"
    add_broken("lossy_half.webp", "lossy WebP without its second half", "corrupt", lossy[: len(lossy) // 2])
    add_broken("lossless_half.webp", "lossless WebP without its second half", "corrupt", lossless[: len(lossless) // 2])
    add_broken("header_only.webp", "WebP that ends within its header", "truncated", lossy[:22])
    add_broken("riff_only.webp", "WebP that ends after its container's header", "truncated", lossy[:12])
    add_broken(
        "lossy_short_chunk.webp",
        "lossy WebP with a chunk that is too short",
        "corrupt",
        riff((vp8[0], vp8[1][: len(vp8[1]) // 2])),
    )
    add_broken(
        "lossy_magic.webp",
        "lossy WebP without its magic number",
        "corrupt",
        riff((vp8[0], patched(vp8[1], 3, b"\0\0\0"))),
    )
    add_broken(
        "lossless_magic.webp", "lossless WebP without its magic number", "corrupt", riff((vp8l[0], b"\0" + vp8l[1][1:]))
    )
    add_broken(
        "lossless_garbage.webp",
        "lossless WebP with garbage for data",
        "corrupt",
        riff((vp8l[0], vp8l[1][:5] + b"\xff" * 60)),
    )
    sizes = struct.pack("<I", 16_382 | 16_382 << 14)
    add_broken(
        "huge_lossless.webp",
        "lossless WebP that claims 16383 x 16383 pixels",
        "too large",
        riff((vp8l[0], vp8l[1][:1] + sizes + vp8l[1][5:])),
    )
    sizes = struct.pack("<HH", 16_383, 16_383)
    add_broken(
        "huge_lossy.webp",
        "lossy WebP that claims 16383 x 16383 pixels",
        "too large",
        riff((vp8[0], patched(vp8[1], 6, sizes))),
    )
    add_broken(
        "huge_canvas.webp", "WebP with a canvas of 100000 x 8 pixels", "too large", riff(vp8x(100_000, HEIGHT), vp8l)
    )
    add_broken(
        "zero_width.webp", "lossy WebP that claims a width of 0", "corrupt", riff((vp8[0], patched(vp8[1], 6, b"\0\0")))
    )
    add_broken("other_canvas.webp", "lossy WebP whose canvas has another size", "corrupt", riff(vp8x(30, 30), vp8))
    add_broken(
        "no_image.webp", "WebP with a canvas and no image", "corrupt", riff(vp8x(WIDTH, HEIGHT), (b"ABCD", b"1234"))
    )
    add_broken(
        "unknown_first.webp", "WebP that begins with a chunk nobody knows", "corrupt", riff((b"ABCD", b"1234"), vp8l)
    )
    note = "taken: image-webp 0.2.4 doesn't look at this size where there is but one chunk"
    add_broken(
        "riff_size.webp",
        "WebP whose container claims to be 4 bytes long",
        "corrupt",
        patched(lossless, 4, struct.pack("<I", 4)),
        note,
    )


def good_bmp():
    bgr = LOSSLESS[..., ::-1]
    odd = LOSSLESS[:, :5]
    add_good("rgb.bmp", "24 bits", saved(LOSSLESS, "BMP"), pixels=LOSSLESS)
    add_good("padded.bmp", "24 bits, one byte after each row", saved(odd, "BMP"), pixels=odd)
    add_good(
        "top_down.bmp", "24 bits, from the top down", bmp(WIDTH, -HEIGHT, 24, bmp_rows(bgr, False)), pixels=LOSSLESS
    )
    four = np.dstack([bgr, np.zeros_like(GREY)])
    add_good("rgb_32bit.bmp", "32 bits, one byte unused", bmp(WIDTH, HEIGHT, 32, bmp_rows(four)), pixels=LOSSLESS)
    masks = struct.pack("<4I", 0xFF0000, 0xFF00, 0xFF, 0xFF000000)
    data = bmp(WIDTH, HEIGHT, 32, bmp_rows(np.dstack([bgr, ramp(LOSSLESS)])), 3, header=108, more=masks + b"\0" * 52)
    add_good("rgba_32bit.bmp", "32 bits with alpha", data, pixels=LOSSLESS)
    five = LOSSLESS.astype(np.uint16) >> 3
    words = (five[..., 0] << 10 | five[..., 1] << 5 | five[..., 2]).astype("<u2")
    add_good("rgb_15bit.bmp", "16 bits, five for each color", bmp(WIDTH, HEIGHT, 16, bmp_rows(words)), FIVE_BITS)

    indices = (GREY // 16).astype(np.uint8)
    colors = [(index * 15, 250 - index * 13, index * 97 % 256) for index in range(16)]
    pixels = np.array(colors, np.uint8)[indices]
    add_good("palette.bmp", "palette, 8 bits", bmp(WIDTH, HEIGHT, 8, bmp_rows(indices), colors=colors), pixels=pixels)
    nibbles = indices[:, ::2] << 4 | indices[:, 1::2]
    add_good(
        "palette_4bit.bmp", "palette, 4 bits", bmp(WIDTH, HEIGHT, 4, bmp_rows(nibbles), colors=colors), pixels=pixels
    )
    bits = np.packbits(GREY > 128, axis=1)
    data = bmp(WIDTH, HEIGHT, 1, bmp_rows(bits), colors=[(200, 30, 60), (10, 250, 90)])
    add_good(
        "palette_1bit.bmp",
        "palette, 1 bit",
        data,
        pixels=np.array([[200, 30, 60], [10, 250, 90]])[(GREY > 128).astype(int)],
    )
    first = b"\0" + bytes([WIDTH, *indices[-1].tolist()]) + b"\0\0"  # as they are, and then in runs
    runs = [[bytes([len(list(run)), index]) for index, run in groupby(row.tolist())] for row in indices[-2::-1]]
    runs = first + b"".join(b"".join(row) + b"\0\0" for row in runs) + b"\0\1"
    add_good("runs.bmp", "palette, run-length encoded", bmp(WIDTH, HEIGHT, 8, runs, 1, colors), pixels=pixels)
    add_good("os2.bmp", "OS/2's short header", bmp(WIDTH, HEIGHT, 24, bmp_rows(bgr), header=12), pixels=LOSSLESS)


def broken_bmp():
    rows = bmp_rows(LOSSLESS[..., ::-1])
    plain = bmp(WIDTH, HEIGHT, 24, rows)
    add_broken("header_only.bmp", "BMP without any pixels", "truncated", plain[:54])
    add_broken("half.bmp", "BMP without its second half", "truncated", plain[: len(plain) // 2])
    add_broken("no_last_row.bmp", "BMP without its last row", "truncated", plain[: -len(rows) // HEIGHT])
    add_broken("half_header.bmp", "BMP that ends within its header", "truncated", plain[:30])
    add_broken(
        "half_palette.bmp",
        "BMP that ends within its palette",
        "truncated",
        bmp(WIDTH, HEIGHT, 8, b"", colors=[(0, 0, 0)] * 16)[:-30],
    )
    add_broken(
        "half_runs.bmp",
        "BMP that ends within its runs",
        "truncated",
        bmp(WIDTH, HEIGHT, 8, b"\5\1", 1, [(0, 0, 0)] * 4),
    )
    add_broken("huge.bmp", "BMP that claims 60000 x 60000 pixels", "too large", bmp(60_000, 60_000, 24, rows))
    add_broken(
        "huge_area.bmp",
        "BMP of 16384 x 16384 pixels: each side may be, but not 768 MiB",
        "too large",
        bmp(16_384, 16_384, 24, rows),
    )
    add_broken(
        "huge_width.bmp", "BMP that claims a width of 2147483647", "too large", bmp(0x7FFFFFFF, HEIGHT, 24, rows)
    )
    add_broken("negative_width.bmp", "BMP that claims a width of -6", "corrupt", bmp(-WIDTH, HEIGHT, 24, rows))
    add_broken("zero_width.bmp", "BMP that claims a width of 0", "no image", bmp(0, HEIGHT, 24, rows))
    add_broken("bad_depth.bmp", "BMP that claims 23 bits", "corrupt", bmp(WIDTH, HEIGHT, 23, rows))
    add_broken(
        "bad_compression.bmp", "BMP of a compression that doesn't exist", "corrupt", bmp(WIDTH, HEIGHT, 24, rows, 99)
    )
    add_broken(
        "jpeg_inside.bmp",
        "BMP that holds a JPEG, which only printers take",
        "no image",
        bmp(WIDTH, HEIGHT, 0, jpeg(SMALL), 4),
    )


# -------------------------------------------------------------------------------------------------- none of all these


def no_images():
    add_broken("empty.jpg", "no bytes", "empty", b"")
    add_broken("one_byte.png", "a single byte", "no image", b"\x89")
    add_broken("zeros.jpg", "nothing but zeros", "no image", b"\0" * 100)
    add_broken("text.jpg", "a text", "no image", b"This is a text, and no picture was ever in it.\n")
    add_broken(
        "text.bmp",
        "a text that begins as a bitmap does",
        "no image",
        b"BMI stands for body mass index, as everybody knows.\n",
    )
    page = "<!DOCTYPE html>\n<html><head><title>404 Not Found</title></head>\n<body><h1>Not Found</h1></body></html>\n"
    add_broken("not_found.jpg", "an error page that a download left", "no image", page.encode())
    add_broken(
        "limit.png",
        "an error in JSON that a download left",
        "no image",
        b'{"error": {"code": 429, "message": "slow down"}}\n',
    )
    plain = png(LOSSLESS)
    digest = hashlib.sha256(plain).hexdigest()
    pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{digest}\nsize {len(plain)}\n"
    add_broken("pointer.jpg", "a pointer of Git LFS that was never replaced", "no image", pointer.encode())
    small = Image.fromarray(LOSSLESS)
    add_broken("gif.png", "GIF named .png", "no image", saved(small.quantize(16), "GIF"))
    add_broken("tiff.jpg", "TIFF named .jpg", "no image", saved(small, "TIFF"))
    add_broken("ppm.png", "PPM named .png", "no image", saved(small, "PPM"))
    svg = b'<svg xmlns="http://www.w3.org/2000/svg" width="6" height="5"><rect width="3" height="5"/></svg>\n'
    add_broken("svg.png", "SVG named .png", "no image", svg)
    brands = {"avif": b"avifmif1miafMA1B", "heic": b"heicmif1heicmiaf"}
    for name, brand in brands.items():
        box = b"ftyp" + brand[:4] + b"\0\0\0\0" + brand[4:]
        data = struct.pack(">I", len(box) + 4) + box + struct.pack(">I", 24) + b"meta" + b"\0" * 16
        add_broken(f"{name}.jpg", f"the beginning of {name.upper()}, named .jpg", "no image", data)
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr(zipfile.ZipInfo("cat.png", (2020, 1, 1, 0, 0, 0)), plain)
    add_broken("archive.png", "a zip with a PNG in it, named .png", "no image", archive.getvalue())
    noise = np.random.default_rng(5).integers(0, 256, 200, np.uint8).tobytes()
    add_broken("noise.png", "random bytes", "no image", noise)
    add_broken("shifted.png", "PNG with a byte in front", "no image", b"\n" + plain)


def write(output):
    """All files anew, and one line for each in expected.json."""
    for folder, files in (("good", good), ("broken", broken)):
        shutil.rmtree(output / folder, ignore_errors=True)
        (output / folder).mkdir(parents=True)
        for name, (data, _) in files.items():
            (output / folder / name).write_bytes(data)

    def lines(files):
        entries = ((name, files[name][1]) for name in sorted(files))
        return ",\n".join(
            f"{json.dumps(name, ensure_ascii=False)}:{json.dumps(entry, separators=(',', ':'))}"
            for name, entry in entries
        )

    versions = json.dumps({"pillow": PIL.__version__, "numpy": np.__version__})
    text = f'{{"versions":{versions},\n"good":{{\n{lines(good)}\n}},\n"broken":{{\n{lines(broken)}\n}}}}\n'
    json.loads(text)
    (output / "expected.json").write_text(text, encoding="utf-8")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--output", type=Path, default=Path(__file__).parent, help="where good/, broken/ and expected.json go"
    )
    output = parser.parse_args().output
    broken_jpeg(good_jpeg())
    good_png()
    broken_png()
    good_webp()
    broken_webp()
    good_bmp()
    broken_bmp()
    no_images()
    write(output)
    size = sum(path.stat().st_size for path in output.rglob("*") if path.is_file())
    print(f"{len(good)} good and {len(broken)} broken files, {size // 1000} kB in all")


if __name__ == "__main__":
    main()
