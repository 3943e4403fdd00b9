//! Where a new `import asyncbis` goes: where a sorter of imports would leave it, as far as that can
//! be told without knowing the project.
//!
//! Below `import asyncio`; else among the imports at the top, behind those of other packages, apart
//! from those of the standard library, and before the relative ones; else at the top.
//!
//! Invariant: what is added stands below `from __future__`, the docstring and the comments at the
//! top.
//!
//! Not here: whether an import is needed (`names_at.rs`).

use ruff_python_ast::token::TokenKind;
use ruff_python_ast::{self as ast, Expr, Stmt};
use ruff_text_size::{Ranged, TextSize};

use crate::diagnostic::Edit;
use crate::fix::first_offset;
use crate::model::File;

/// The modules of the standard library.
const STDLIB: &str = "\
    abc aifc annotationlib antigravity argparse array ast asynchat asyncio asyncore atexit \
    audioop base64 bdb binascii bisect builtins bz2 cProfile calendar cgi cgitb chunk cmath cmd \
    code codecs codeop collections colorsys compileall compression concurrent configparser \
    contextlib contextvars copy copyreg crypt csv ctypes curses dataclasses datetime dbm decimal \
    difflib dis distutils doctest email encodings ensurepip enum errno faulthandler fcntl \
    filecmp fileinput fnmatch fractions ftplib functools gc genericpath getopt getpass gettext \
    glob graphlib grp gzip hashlib heapq hmac html http idlelib imaplib imghdr imp importlib \
    inspect io ipaddress itertools json keyword lib2to3 linecache locale logging lzma mailbox \
    mailcap marshal math mimetypes mmap modulefinder msilib msvcrt multiprocessing netrc nis \
    nntplib nt ntpath nturl2path numbers opcode operator optparse os ossaudiodev pathlib pdb \
    pickle pickletools pipes pkgutil platform plistlib poplib posix posixpath pprint profile \
    pstats pty pwd py_compile pyclbr pydoc pydoc_data pyexpat queue quopri random re readline \
    reprlib resource rlcompleter runpy sched secrets select selectors shelve shlex shutil signal \
    site smtpd smtplib sndhdr socket socketserver spwd sqlite3 sre_compile sre_constants \
    sre_parse ssl stat statistics string stringprep struct subprocess sunau symtable sys \
    sysconfig syslog tabnanny tarfile telnetlib tempfile termios textwrap this threading time \
    timeit tkinter token tokenize tomllib trace traceback tracemalloc tty turtle turtledemo \
    types typing unicodedata unittest urllib uu uuid venv warnings wave weakref webbrowser \
    winreg winsound wsgiref xdrlib xml xmlrpc zipapp zipfile zipimport zlib zoneinfo";

impl File<'_> {
    /// The edit that adds an import; `None` in a file without statements.
    pub(crate) fn new_import(&self, import: &str) -> Option<Edit> {
        let body = self.body();
        if let Some(stmt) = body.iter().find(|stmt| is_import_of(stmt, "asyncio")) {
            return Some(self.import_below(stmt, import, false));
        }
        // `__all__` and the like may stand between `from __future__` and the other imports.
        let head = body
            .iter()
            .take_while(|stmt| is_import(stmt) || is_docstring(stmt) || is_dunder(stmt));
        let (mut absolute, mut relative, mut docstring) = (None, None, None);
        for stmt in head {
            if is_docstring(stmt) {
                docstring = Some(stmt);
            } else if is_relative(stmt) {
                relative = relative.or(Some(stmt));
            } else if is_import(stmt) && relative.is_none() {
                absolute = Some(stmt);
            }
        }
        if let Some(stmt) = absolute {
            return Some(self.import_below(stmt, import, is_stdlib(stmt)));
        }
        if let Some(stmt) = relative {
            return Some(self.import_above(stmt, import));
        }
        if let Some(stmt) = docstring {
            return Some(self.import_below(stmt, import, true));
        }
        // A cell magic has to stay the first line of its cell.
        let is_magic = |stmt: &&Stmt| stmt.is_ipy_escape_command_stmt();
        let first = body.iter().find(|stmt| !is_magic(stmt))?;
        Some(self.import_above(first, import))
    }

    /// An import on a line of its own below a statement, `apart` by an empty line.
    fn import_below(&self, stmt: &Stmt, import: &str, apart: bool) -> Edit {
        let newline = self.newline();
        let end = self.logical_line_end(stmt.end());
        let next = self.next_line(end);
        let rest = &self.source.text()[usize::from(next)..];
        let is_blank =
            rest.trim_start_matches([' ', '\t', '\x0c']).is_empty() || self.is_blank_line(next);
        let follows = self.body().iter().find(|it| it.start() >= next);
        let before = if apart { newline } else { "" };
        let after = match follows {
            Some(follows) if !is_blank && (apart || is_relative(follows)) => newline,
            _ => "",
        };
        Edit::import(end, format!("{before}{newline}{import}{after}"))
    }

    /// An import above a statement, apart from it.
    fn import_above(&self, stmt: &Stmt, import: &str) -> Edit {
        let newline = self.newline();
        let gap = match stmt {
            Stmt::FunctionDef(_) | Stmt::ClassDef(_) => newline.repeat(2),
            _ => newline.to_owned(),
        };
        let start = self.first_line(stmt);
        Edit::import(start, format!("{import}{newline}{gap}"))
    }

    /// Where the line of a statement begins, or the comment right above it; comments at the top of
    /// the file are about the file.
    fn first_line(&self, stmt: &Stmt) -> TextSize {
        let own = self.line_start(first_offset(stmt));
        let text = self.source.text();
        let mut start = own;
        while start > TextSize::new(0) {
            let above = &text[..usize::from(start)];
            let ending = if above.ends_with("\r\n") { 2 } else { 1 };
            let line = self.line_start(start - TextSize::new(ending));
            if !text[usize::from(line)..].starts_with('#') {
                return start;
            }
            start = line;
        }
        own
    }

    /// Where the line that continues up to an offset ends, before its line ending; behind what else
    /// stands on it.
    pub(crate) fn logical_line_end(&self, offset: TextSize) -> TextSize {
        let tokens = self.tokens();
        let from = tokens.partition_point(|token| token.start() < offset);
        tokens[from..]
            .iter()
            .find(|token| token.kind() == TokenKind::Newline)
            .map_or(TextSize::of(self.source.text()), Ranged::start)
    }
}

fn is_import(stmt: &Stmt) -> bool {
    matches!(stmt, Stmt::Import(_) | Stmt::ImportFrom(_))
}

fn is_relative(stmt: &Stmt) -> bool {
    matches!(stmt, Stmt::ImportFrom(node) if node.level > 0)
}

/// Whether an import takes something from the standard library, or from `__future__`.
fn is_stdlib(stmt: &Stmt) -> bool {
    let is_known = |module: &str| {
        let root = module.split('.').next().unwrap_or(module);
        root == "__future__" || STDLIB.split(' ').any(|known| known == root)
    };
    match stmt {
        Stmt::Import(node) => node.names.iter().any(|alias| is_known(&alias.name)),
        Stmt::ImportFrom(node) => node.module.as_deref().is_some_and(is_known),
        _ => false,
    }
}

/// `__all__ = [..]`
fn is_dunder(stmt: &Stmt) -> bool {
    matches!(stmt, Stmt::Assign(node) if matches!(node.targets.as_slice(),
        [Expr::Name(name)] if name.id.starts_with("__") && name.id.ends_with("__")))
}

fn is_docstring(stmt: &Stmt) -> bool {
    matches!(stmt, Stmt::Expr(node) if node.value.is_string_literal_expr())
}

fn is_import_of(stmt: &Stmt, module: &str) -> bool {
    let is_module = |name: &ast::Identifier| {
        name.as_str() == module || name.as_str().split('.').next() == Some(module)
    };
    match stmt {
        Stmt::Import(node) => node.names.iter().any(|alias| is_module(&alias.name)),
        Stmt::ImportFrom(node) => node.level == 0 && node.module.as_ref().is_some_and(is_module),
        _ => false,
    }
}
