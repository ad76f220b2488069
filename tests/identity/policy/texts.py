"""Policy texts with what becomes of them, here and at OpenBao; both are asked by tests."""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple


class Fate(Enum):
    BOTH = "taken by OpenBao and by us"
    NEITHER = "refused by OpenBao and by us"
    THEIRS = "taken by OpenBao, refused by us"
    OURS = "refused by OpenBao, taken by us"


class Text(NamedTuple):
    name: str
    fate: Fate
    text: str


def rule(body: str, pattern: str = "x") -> str:
    return f'path "{pattern}" {{\n  capabilities = ["read"]\n  {body}\n}}\n'


B, N, T, O = Fate.BOTH, Fate.NEITHER, Fate.THEIRS, Fate.OURS  # noqa: E741

READ = 'capabilities = ["read"]'

TEXTS = [
    # comments and white space
    Text("a comment alone", B, "# nothing"),
    Text("white space alone", B, " \n\t"),
    Text("hash comments", B, f'# a\npath "x" {{ # b\n {READ} # c\n}} # d'),
    Text("slash comments", B, f'// a\npath "x" {{ // b\n {READ} // c\n}} // d'),
    Text("block comments", B, 'path/* */"x"/*"}"*/{ capabilities =/***/[/**/"read"/**/,/**/] }'),
    Text("comments in a list", B, 'path "x" { capabilities = ["read", # a\n "list" // b\n] }'),
    Text("an open comment", N, f'path "x" {{ {READ} }} /* a'),
    Text("a nested comment", N, f'/* /* */ */ path "x" {{ {READ} }}'),
    Text("a lone slash", N, f'/ a\npath "x" {{ {READ} }}'),
    Text("carriage returns", B, f'path "x" {{\r\n {READ}\r\n}}\r\n'),
    Text("a vertical tab", N, f'path "x" {{\v {READ} }}'),
    Text("a hard space", N, f'path "x" {{\u00a0 {READ} }}'),
    Text("a byte order mark", N, f'\ufeffpath "x" {{ {READ} }}'),
    Text("a NUL", N, f'path "x" {{ {READ} }}\0'),
    # blocks, attributes, commas
    Text("two blocks on a line", B, f'path "a" {{ {READ} }} path "b" {{ {READ} }}'),
    Text("a comma between blocks", B, f'path "a" {{ {READ} }}, path "b" {{ {READ} }}'),
    Text("attributes on a line", B, f'path "x" {{ {READ} policy = "read" }}'),
    Text("attributes with commas", B, f'path "x" {{ {READ}, policy = "read", }}'),
    Text("a leading comma", N, f', path "x" {{ {READ} }}'),
    Text("two commas after an attribute", N, f'path "x" {{ {READ},, policy = "read" }}'),
    Text("two commas in a list", T, 'path "x" { capabilities = ["read",,"list"] }'),
    Text("no comma in a list", N, 'path "x" { capabilities = ["read" "list"] }'),
    Text("no equals sign", N, 'path "x" { capabilities ["read"] }'),
    Text("two equals signs", N, 'path "x" { capabilities == ["read"] }'),
    Text("a colon", N, 'path "x" { capabilities: ["read"] }'),
    Text("a semicolon", N, f'path "x" {{ {READ}; }}'),
    Text("line breaks anywhere", B, 'path\n"x"\n{\ncapabilities\n=\n[\n"read"\n]\n}'),
    Text("a quoted keyword", B, '"path" "x" { "capabilities" = ["read"] }'),
    Text("a bare label", B, f"path a.b-c_d {{ {READ} }}"),
    Text("a bare label of letters beyond ASCII", B, f"path ünï {{ {READ} }}"),
    Text("a bare label with a digit first", N, f"path 1a {{ {READ} }}"),
    Text("a bare label with a superscript", N, f"path a² {{ {READ} }}"),
    Text("a bare label that is a boolean", N, f"path true {{ {READ} }}"),
    Text("an open block", N, f'path "x" {{ {READ}'),
    Text("a brace too many", N, f'path "x" {{ {READ} }}}}'),
    Text("no value", N, 'path "x" { capabilities = }'),
    Text("a key at the end", T, "path ="),
    Text("a string alone", N, '"x"'),
    Text("single quotes", N, "path 'x' { capabilities = ['read'] }"),
    # strings
    Text(
        "escapes",
        B,
        f'path "\\a\\b\\f\\n\\r\\t\\v\\"\\\\\\u0041\\U00000041\\x41\\101" {{ {READ} }}',
    ),
    Text("an unknown escape", N, f'path "x\\q" {{ {READ} }}'),
    Text("an escape that is cut", N, f'path "x\\u00zz" {{ {READ} }}'),
    Text("an escape at the end", N, 'path "x\\'),
    Text("a surrogate", T, f'path "x\\ud800" {{ {READ} }}'),
    Text("a byte that is no character", T, f'path "x\\xff" {{ {READ} }}'),
    Text("an open string", N, f'path "x {{ {READ} }}'),
    Text("a line break in a string", N, f'path "x\ny" {{ {READ} }}'),
    Text("a tab in a string", B, f'path "x\ty" {{ {READ} }}'),
    Text("a dollar", B, f'path "x/$" {{ {READ} }}'),
    Text("an interpolation", B, f'path "x/${{y}}" {{ {READ} }}'),
    Text("quotes in an interpolation", B, f'path "x/${{"y"}}" {{ {READ} }}'),
    Text("braces in an interpolation", B, f'path "x/${{a{{b}}c}}" {{ {READ} }}'),
    Text("an open interpolation", N, f'path "x/${{y" {{ {READ}'),
    Text("a backslash in an interpolation", T, f'path "x/${{a\\n}}" {{ {READ} }}'),
    # heredocs
    Text("a heredoc", B, rule("comment = <<END\nhello\nEND")),
    Text("a heredoc with indentation", B, rule("comment = <<-END\n  hello\n  END")),
    Text("an empty heredoc", B, rule("comment = <<END\nEND")),
    Text("a heredoc with its anchor inside", B, rule("comment = <<END\nEND x\nENDE\nEND")),
    Text("a heredoc in a list", B, rule("allowed_parameters = { a = [<<END\nx\nEND\n, 1] }")),
    Text("an open heredoc", N, rule("comment = <<END\nhello")),
    Text("a heredoc closed on a line with more", N, rule("comment = <<END\nhello\nEND }")),
    Text("a heredoc without an anchor", N, rule("comment = <<\nhello\n")),
    Text("a heredoc with a space", N, rule("comment = << END\nhello\nEND")),
    Text("a heredoc as a capability", N, 'path "x" { capabilities = [<<E\nread\nE\n] }'),
    # values
    Text("numbers", B, rule("allowed_parameters = { a = [1, -1, 0x1F, 017, 1.5, 1e5, .5, 1.] }")),
    Text("not octal", N, rule("allowed_parameters = { a = [08] }")),
    Text("a number too large", N, rule("allowed_parameters = { a = [99999999999999999999] }")),
    Text("a float too large", N, rule("allowed_parameters = { a = [1e400] }")),
    Text("a number with a plus", N, rule("allowed_parameters = { a = [+1] }")),
    Text("a number with letters", N, rule("allowed_parameters = { a = [1a] }")),
    Text("a bare word as a value", N, rule("comment = hello")),
    Text("null", N, rule("allowed_parameters = { a = [null] }")),
    Text("booleans", B, rule("allowed_parameters = { a = [true, false] }")),
    Text("a boolean with a capital", N, rule("allowed_parameters = { a = [True] }")),
    Text("lists and objects as values", B, rule('allowed_parameters = { a = [["x"], { b = 1 }] }')),
    # rules
    Text("an unknown key", N, rule("color = 1")),
    Text("an unknown key at the top", N, "color = 1"),
    Text("an unknown block", N, 'color "x" { }'),
    Text("an unknown capability", N, 'path "x" { capabilities = ["reed"] }'),
    Text("a capability in capitals", N, 'path "x" { capabilities = ["READ"] }'),
    Text("a key with a capital", N, 'path "x" { Capabilities = ["read"] }'),
    Text("capabilities that are no list", N, 'path "x" { capabilities = "read" }'),
    Text("capabilities that are an object", T, 'path "x" { capabilities = {} }'),
    Text("capabilities in a list of lists", N, 'path "x" { capabilities = [["read"]] }'),
    Text("no capabilities", B, 'path "x" { }'),
    Text("capabilities twice", B, rule('capabilities = ["list"]')),
    Text("deny among others", B, 'path "x" { capabilities = ["deny", "read"] }'),
    Text(
        "all capabilities",
        B,
        'path "x" { capabilities = ["create", "read", "update", "delete", '
        '"list", "patch", "scan", "sudo"] }',
    ),
    Text("a capability of Vault Enterprise", N, 'path "x" { capabilities = ["subscribe"] }'),
    Text("root as a capability", N, 'path "x" { capabilities = ["root"] }'),
    Text("a path twice", B, f'path "x" {{ {READ} }}\npath "x" {{ {READ} }}'),
    Text("an empty path", B, f'path "" {{ {READ} }}'),
    Text("a path with two labels", T, f'path "x" "y" {{ {READ} }}'),
    Text("a path without a label", T, f"path {{ {READ} }}"),
    Text("a path that is a string", N, 'path = "x"'),
    Text("a path with an equals sign", N, f'path "x" = {{ {READ} }}'),
    Text("paths in an object", O, f'path = {{ "x" = {{ {READ} }} }}'),
    Text("a plus before an asterisk", N, rule("", "a/+*")),
    Text("a plus before an asterisk, inside", N, rule("", "a+*b")),
    Text("an asterisk inside", B, rule("", "a*b")),
    Text("two asterisks", B, rule("", "a**")),
    Text("a name", B, 'name = "x"'),
    Text("a name that is a list", N, 'name = ["x"]'),
    Text("the older policy", B, 'path "x" { policy = "write" }'),
    Text("an unknown older policy", N, 'path "x" { policy = "all" }'),
    Text("the older policy twice", T, 'path "x" { policy = "read"\npolicy = "write" }'),
    # templates
    Text("a template", B, rule("", "a/{{ identity.entity.id }}/*")),
    Text("a template that nobody knows", B, rule("", "a/{{foo}}")),
    Text("an open template", N, rule("", "a/{{identity.entity.id")),
    Text("a template the wrong way round", N, rule("", "a/}}identity.entity.id{{")),
    Text("a template in a template", N, rule("", "a/{{identity.{{entity}}.id}}")),
    # wrapping
    Text("wrapping", B, rule('min_wrapping_ttl = "1m"\nmax_wrapping_ttl = 5400')),
    Text("wrapping for a day", B, rule('min_wrapping_ttl = "1d"')),
    Text("wrapping for no time", B, rule('min_wrapping_ttl = ""')),
    Text("wrapping the wrong way round", N, rule('min_wrapping_ttl = "1m"\nmax_wrapping_ttl = 30')),
    Text("wrapping for ever", N, rule('min_wrapping_ttl = "ever"')),
    Text("wrapping for a week", N, rule('min_wrapping_ttl = "1w"')),
    Text("wrapping for true", N, rule("min_wrapping_ttl = true")),
    Text("wrapping for a list", N, rule("min_wrapping_ttl = []")),
    Text("wrapping for less than nothing", T, rule('min_wrapping_ttl = "-1s"')),
    # parameters
    Text("parameters", B, rule('allowed_parameters = { a = [], "b" = ["x"] }')),
    Text("parameters in a block", B, rule('denied_parameters { "*" = [] }')),
    Text(
        "parameters in two pieces",
        B,
        rule("allowed_parameters { a = [] }\nallowed_parameters { b = [] }"),
    ),
    Text("parameters with a label", T, rule("allowed_parameters a { b = [] }")),
    Text("parameters in a list", N, rule('allowed_parameters = ["a"]')),
    Text("parameters in a string", N, rule('allowed_parameters = "a"')),
    Text("a parameter with a string", N, rule('allowed_parameters = { a = "x" }')),
    Text("a parameter with a block", B, rule('allowed_parameters { a { b = ["x"] } }')),
    Text("required parameters", B, rule('required_parameters = ["a", "b"]')),
    Text("a required parameter without a list", N, rule('required_parameters = "a"')),
    Text("a required parameter that is a number", T, rule("required_parameters = [1]")),
    # what OpenBao adds
    Text("an expiration", B, rule('expiration = "2036-01-01T00:00:00+01:00"')),
    Text("an expiration in seconds", B, rule("expiration = 1900000000")),
    Text("an expiration in seconds as a string", B, rule('expiration = "1900000000"')),
    Text("no expiration", B, rule('expiration = ""')),
    Text("an expiration without a time", N, rule('expiration = "2036-01-01"')),
    Text("an expiration that never was", N, rule('expiration = "2036-02-30T00:00:00Z"')),
    Text("an expiration that is true", N, rule("expiration = true")),
    Text("an expiration in small letters", O, rule('expiration = "2036-01-01t00:00:00z"')),
    Text("two expirations", T, rule('expiration = ""\nexpiration = ""')),
    Text("a limit", B, rule("pagination_limit = 5")),
    Text("a limit as a string", B, rule('pagination_limit = "5"')),
    Text("a limit that is no number", N, rule('pagination_limit = "x"')),
    Text("a limit that is no whole number", N, rule("pagination_limit = 5.5")),
    Text("a negative limit", T, rule("pagination_limit = -5")),
    Text("a comment", B, rule('comment = "because"')),
    Text("a comment that is a list", B, rule("comment = [1]")),
    Text("a comment at the top", N, 'comment = "because"'),
    Text("a description", N, rule('description = "because"')),
    Text("a second factor", T, rule('mfa_methods = ["totp"]')),
    Text(
        "a control group",
        B,
        rule(
            'control_group = { factor "f" { controlled_capabilities = ["read"]\n'
            'identity { group_names = ["g"]\n approvals = 1 } } }'
        ),
    ),
    # JSON
    Text("JSON", B, '{"path": {"x": {"capabilities": ["read"]}}}'),
    Text("JSON in lists", B, '{"path": [{"x": {"capabilities": ["read"]}, "y": {}}, {"z": {}}]}'),
    Text("JSON with space before", B, '\n {"path": {"x": {"policy": "read"}}}'),
    Text("JSON without paths", B, '{"path": {}, "name": "x"}'),
    Text("nothing in JSON", B, "{}"),
    Text(
        "JSON with all",
        B,
        '{"path": {"x": {"capabilities": ["create"], "min_wrapping_ttl": 5,'
        '"max_wrapping_ttl": "90s", "required_parameters": ["a"], "allowed_parameters":'
        '{"a": ["x", 1, true, 1.5, {"b": 1}]}, "denied_parameters": [{"b": []}]}}}',
    ),
    Text("JSON with a trailing comma", B, '{"path": {"x": {"capabilities": ["read",],},},}'),
    Text("JSON with a key twice", B, '{"path": {"x": {}}, "path": {"y": {}, "y": {}}}'),
    Text("JSON with an unknown key", N, '{"path": {"x": {"color": 1}}}'),
    Text("JSON with an unknown key at the top", N, '{"color": 1}'),
    Text("JSON with a comment", N, '{ # a\n "path": {}}'),
    Text("JSON with an equals sign", N, '{"path" = {}}'),
    Text("JSON in single quotes", N, "{'path': {}}"),
    Text("JSON with null", N, '{"path": {"x": {"capabilities": null}}}'),
    Text("JSON with null as a value", N, '{"path": {"x": {"allowed_parameters": {"a": [null]}}}}'),
    Text("JSON with null as the path", N, '{"path": null}'),
    Text("JSON with a string as the path", N, '{"path": "x"}'),
    Text("JSON with an empty list as the path", N, '{"path": []}'),
    Text("JSON with a list of rules", N, '{"path": {"x": [{"capabilities": ["read"]}]}}'),
    Text("JSON with a list around it", N, '[{"path": {}}]'),
    Text("JSON with octal", N, '{"path": {"x": {"pagination_limit": 007}}}'),
    Text("JSON that is cut", T, '{"path": {"x": {"capabilities": ["read"]}'),
    Text("JSON that goes on", T, '{"path": {}} x'),
    Text("JSON without a comma", T, '{"path": {"x": {} "y": {}}}'),
    Text("JSON with an escaped slash", O, '{"path": {"x\\/y": {"capabilities": ["read"]}}}'),
    Text("JSON with a line break in a string", N, '{"path": {"x\ny": {}}}'),
]
