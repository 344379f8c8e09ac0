"""The rule against flashes that can trigger photosensitive epilepsy: its numbers.

W3C WCAG 2.2, success criterion 2.3.1 "Three flashes or below threshold", with its definitions of
general flash and red flash; the limit on sustained flashing is that of broadcast analysers (at
least two flashes a second for four of five seconds: EA IRIS, after ITU-R BT.1702 and Ofcom).
"""

# A transition: relative luminance moves by this much between extremes, the darker one below DARK.
LUMINANCE_STEP = 0.1
DARK = 0.8
# A red transition: to or from R / (R + G + B) >= RED_SHARE, further than RED_STEP in CIE 1976 u'v'.
RED_SHARE = 0.8
RED_STEP = 0.2
# More than this part of a block (a third of the view's width and height) has to flash.
AREA = 0.25
BLOCK = 256 / 768, 341 / 1024
# Two opposing transitions are one flash; three flashes in any second are allowed.
WINDOW = 1.0
MAX_TRANSITIONS = 6
# A second with so many transitions is a busy one; of the last SUSTAINED_WINDOW (seconds), less than SUSTAINED
# may be busy.
SUSTAINED_TRANSITIONS = 4
SUSTAINED = 4.0
SUSTAINED_WINDOW = 5.0
# Transitions of different places no further apart than this (seconds) are one event.
TOGETHER = 0.05

LUMINANCE = (0.2126, 0.7152, 0.0722)
XYZ = (
    (0.4124564, 0.3575761, 0.1804375),
    (0.2126729, 0.7151522, 0.0721750),
    (0.0193339, 0.1191920, 0.9503041),
)
# Light that any screen reflects: keeps the chromaticity of black defined, and that of near-black calm.
FLARE = 0.0005
