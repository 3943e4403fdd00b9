"""Whether two rewrites of a file, by new names and by an alias, are the same program.

The syntax trees are compared after every name that an import binds to asyncio or asyncbis was
replaced by the module that it stands for, and the imports themselves were left out.  In strings
(annotations, targets of patches) the names count as one.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

MODULES = ("asyncio", "asyncbis")
IN_STRINGS = re.compile("stdlib_asyncio|asyncbis|asyncio")


def is_ours(module: str) -> bool:
    return module.split(".")[0] in MODULES


Function = ast.FunctionDef | ast.AsyncFunctionDef


def own_nodes(scope: ast.AST) -> Iterator[ast.AST]:
    """What stands in a module or function itself, not in the functions in it."""
    for node in ast.iter_child_nodes(scope):
        yield node
        if not isinstance(node, Function):
            yield from own_nodes(node)


def rebound(outer: dict[str, str], scope: ast.AST) -> dict[str, str]:
    """The modules that names stand for in a module or function."""
    bound = dict(outer)
    imports = {}
    for node in own_nodes(scope):
        match node:
            case ast.Import(names):
                for alias in filter(lambda alias: is_ours(alias.name), names):
                    name = alias.asname or alias.name.split(".")[0]
                    imports[name] = alias.name if alias.asname else name
            case ast.Name(name, ast.Store()) | ast.arg(name):
                bound.pop(name, None)
    return bound | imports


class Resolve(ast.NodeTransformer):
    """Puts modules in the place of the names that imports bind to them."""

    def __init__(self, tree: ast.AST) -> None:
        self.bound = rebound({}, tree)

    def visit_function(self, node: Function) -> ast.AST:
        outer, self.bound = self.bound, rebound(self.bound, node)
        self.generic_visit(node)
        self.bound = outer
        return node

    visit_FunctionDef = visit_AsyncFunctionDef = visit_function

    def visit_Name(self, node: ast.Name) -> ast.Name:
        unbound = f"local {node.id}" if node.id in MODULES else node.id
        node.id = self.bound.get(node.id, unbound)
        return node

    def visit_Global(self, node: ast.Global) -> ast.Global:
        node.names = sorted(self.bound.get(name, name) for name in node.names)
        return node

    def visit_Import(self, node: ast.Import) -> ast.AST:
        node.names = [alias for alias in node.names if not is_ours(alias.name)]
        return node if node.names else ast.Pass()

    def visit_Constant(self, node: ast.Constant) -> ast.Constant:
        if isinstance(node.value, str):
            node.value = IN_STRINGS.sub("asyncio", node.value)
        return node

    def generic_visit(self, node: ast.AST) -> ast.AST:
        super().generic_visit(node)
        for field, value in ast.iter_fields(node):
            if isinstance(value, list):
                rest = [it for it in value if not isinstance(it, ast.Pass)]
                setattr(node, field, rest)
        return node


def program(content: bytes) -> str:
    """What a file means, whatever its imports of asyncio and asyncbis are called."""
    tree = ast.parse(content)
    return ast.dump(Resolve(tree).visit(tree))


def are_same(one: bytes, other: bytes) -> bool:
    return one == other or program(one) == program(other)
