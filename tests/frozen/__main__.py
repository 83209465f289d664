"""Write the frozen file anew."""

from tests.frozen.document import FILE, text

FILE.write_text(text(), encoding="utf-8")
