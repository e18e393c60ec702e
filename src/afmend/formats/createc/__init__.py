from afmend.formats.register import Verdict
def recognise(head, path): return Verdict.NO
