# SPDX-License-Identifier: Apache-2.0
"""interop/matrix: the table of README.md says what the tests have, by their names: every tick has a
test, every test of a kind has its tick, every file is there. Needs no daemon."""
import ast
import pathlib
import re
import unittest

HERE = pathlib.Path(__file__).resolve().parent
# what a test is about, by the words of its name
KINDS = {
    "unary": r"unary|every_read_answers|the_json_flag|reads go by|calls_without_a_schema",
    "replay": r"replay|in_all_their_forms",
    "refusal": r"refusal|error_details|the_statuses_of_errors|reads go by|details-bin",
    "role": r"role|the_statuses_of_errors|reads go by",
    "certificate": r"certificate|nobody_known",
    "deadline": r"deadline|^test_timeouts",
    "cancel": r"cancel|gives_up|a_hold_made_elsewhere",
    "dump": r"dump|^server streaming: messages",
    "watch": r"watch|a_hold_made_elsewhere|never end$",
    "health": r"health|^Check of",
    "reflection": r"reflection|services_and_methods|services and their methods|file_containing",
}
NOT_IN_THE_TABLE = {"test_examples.py", "test_matrix.py"}


def python_tests(path):
    """Class -> names of its tests, those that it inherits included."""
    classes = {node.name: node for node in ast.parse(path.read_text(encoding="utf-8")).body
               if isinstance(node, ast.ClassDef)}

    def names(node):
        found = {item.name for item in node.body
                 if isinstance(item, ast.FunctionDef) and item.name.startswith("test_")}
        for base in node.bases:
            if isinstance(base, ast.Name) and base.id in classes:
                found |= names(classes[base.id])
        return found
    return {name: names(node) for name, node in classes.items()}


def node_tests(path):
    return set(re.findall(r"\btest\(\s*[\"`](.+?)[\"`], ", path.read_text(encoding="utf-8")))


def rows():
    """(cells by column, file, class or words) of every row."""
    lines = [line.strip().strip("|").split("|")
             for line in (HERE / "README.md").read_text(encoding="utf-8").splitlines()
             if line.startswith("|")]
    header = [cell.strip() for cell in lines[0]]
    for line in lines[2:]:
        cells = dict(zip(header, (cell.strip() for cell in line), strict=True))
        match = re.fullmatch(r"`(test_\w+\.(?:py|mjs))`(?: (\w+))?", cells["tests"])
        assert match, cells["tests"]
        yield cells, match[1], match[2]


def tests_of(file, part):
    if file.endswith(".mjs"):
        names = node_tests(HERE / file)
        return {name for name in names if part is None or name.startswith(part)}
    classes = python_tests(HERE / file)
    return classes[part] if part else set().union(*classes.values())


class Matrix(unittest.TestCase):
    def test_ticks_are_tests(self):
        for cells, file, part in rows():
            names = tests_of(file, part)
            self.assertGreater(len(names), 0, f"{file} {part}")
            for kind, words in KINDS.items():
                having = sorted(name for name in names if re.search(words, name, re.I))
                with self.subTest(row=f"{file} {part or ''}", kind=kind):
                    self.assertIn(cells[kind], ("", "✓"))
                    self.assertEqual(cells[kind] == "✓", bool(having), having)

    def test_every_column_is_a_kind(self):
        cells, _, _ = next(rows())
        self.assertEqual(list(cells)[5:], list(KINDS))

    def test_every_file_has_a_row_and_every_class_of_clients_its_own(self):
        told = {(file, part) for _, file, part in rows()}
        files = {path.name for path in [*HERE.glob("test_*.py"), *HERE.glob("test_*.mjs")]}
        self.assertEqual({file for file, _ in told}, files - NOT_IN_THE_TABLE)
        for file in ("test_buf.py", "test_curl.py", "test_requests.py"):
            whole = {part for name, part in told if name == file}
            # what is not a client of its own: bases, frames, connections
            others = {"BufTest", "Calls", "CurlTest", "Answer", "GrpcByHand", "Frames", "RequestsTest",
                      "Connections"}
            self.assertEqual(set(python_tests(HERE / file)) - others, whole)

    def test_protocols_and_codecs_are_those_that_the_test_loops_over(self):
        text = (HERE / "test_connect_node.mjs").read_text(encoding="utf-8")
        self.assertIn('for (const protocol of ["connect", "grpc", "grpc-web"])\n'
                      '  for (const codec of ["protobuf", "json"])', text)
        self.assertIn('for (const codec of ["protobuf", "json"])\n'
                      '  describe(`connect-node connect ${codec} GET`', text)


if __name__ == "__main__":
    unittest.main()
