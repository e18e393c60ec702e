"""The twin: an instrument in software, with a known surface under it, so that every claim can be an error in nanometers.

Belongs here: surfaces, the scanner, the feedback loop, electronics, mishaps, boxes of parameters, sets of scans.
Does not belong here: tip shapes and dilation (tip), metrics (evaluation), anything that mends a scan.
"""
