"""What `.env` means: its text, and what Compose makes of it (compose-go 2.16 gave every value)."""

ENVIRON = {"OUTSIDE": "there", "TAKEN": "environment"}
"""The environment in which they are read."""

CASES: dict[str, dict[str, str]] = {
    "A=plain": {"A": "plain"},
    "A=don't": {"A": "don't"},
    "A=ab#cd": {"A": "ab#cd"},
    "A=ab #cd": {"A": "ab"},
    "A=ab\t#cd": {"A": "ab\t#cd"},
    "A=#x": {"A": "#x"},
    "A= # nothing": {"A": "# nothing"},
    "A=my secret": {"A": "my secret"},
    "A=": {"A": ""},
    "export A=x": {"A": "x"},
    "\ufeffA=x": {"A": "x"},
    "  A  =  x  ": {"A": "x"},
    "# a comment\n\nA=x": {"A": "x"},
    "A=x\r\nB=y\r\n": {"A": "x", "B": "y"},
    "A=x\nA=y": {"A": "y"},
    "A=größe": {"A": "größe"},
    "A=a=b": {"A": "a=b"},
    'A="a b # c"': {"A": "a b # c"},
    "A='a b # c'": {"A": "a b # c"},
    'A="a" # b': {"A": "a"},
    'A="a\\"b"': {"A": 'a"b'},
    "A='a\\'b'": {"A": "a'b"},
    'A="a\\nb"': {"A": "a\nb"},
    "A='a\\nb'": {"A": "a\\nb"},
    "A=a\\nb": {"A": "a\\nb"},
    'A="a\nb"': {"A": "a\nb"},
    "B=x\nA=a$B": {"A": "ax", "B": "x"},
    "B=x\nA=a${B}c": {"A": "axc", "B": "x"},
    'B=x\nA="a${B}"': {"A": "ax", "B": "x"},
    "B=x\nA='a$B${B}'": {"A": "a$B${B}", "B": "x"},
    "A=a$NOPE": {"A": "a"},
    "A=a${NOPE:-b}": {"A": "ab"},
    "A=a${NOPE-b}": {"A": "ab"},
    "B=\nA=a${B:-b}": {"A": "ab", "B": ""},
    "B=\nA=a${B-b}": {"A": "a", "B": ""},
    "A=$OUTSIDE": {"A": "there"},
    "TAKEN=file\nA=$TAKEN": {"A": "environment", "TAKEN": "file"},
    "A=pa$$word": {"A": "pa$word"},
    'A="pa\\$word"': {"A": "pa$word"},
    "A=pa$": {"A": "pa$"},
    "A=pa$!1": {"A": "pa$!1"},
}

ILLEGIBLE = {
    "A=x\nB C=y": 2,
    'A=x\n\nB="y': 3,
    "A=${B": 1,
    "A=${B:+y}": 1,
    "A='x'y": 1,
    "A: x": 1,
}
"""What can't be read, and the line of it. The last three are among what Compose reads otherwise."""
