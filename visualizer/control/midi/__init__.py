"""MIDI: controllers turn the controls, their clock leads the beat, and their lights follow.

maps      which knob turns what           takeover  a knob takes hold where the control is
controller  a device's messages           clock     ticks become a tempo and beats
service   the thread, and devices that come and go
"""
