//! The libraries whose names are rewritten, and the choice of a run among them.

/// A library whose names are rewritten.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Library {
    AsyncTimeout,
    Aiotools,
    Asynkit,
    Anyio,
}

impl Library {
    pub const ALL: [Library; 4] = [
        Library::AsyncTimeout,
        Library::Aiotools,
        Library::Asynkit,
        Library::Anyio,
    ];

    /// The name of its module.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Library::AsyncTimeout => "async_timeout",
            Library::Aiotools => "aiotools",
            Library::Asynkit => "asynkit",
            Library::Anyio => "anyio",
        }
    }

    /// By the name of its module or its distribution.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        let name = name.to_ascii_lowercase().replace('-', "_");
        Self::ALL.into_iter().find(|library| library.name() == name)
    }
}

/// Which names of other libraries are rewritten.
///
/// By default those whose meaning stays, of the libraries that only run on asyncio. A library that
/// is asked for by name is rewritten as far as it has counterparts, also where the program may
/// then do something else. AnyIO has to be asked for: what is written for it runs on asyncbis as it
/// is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Migrations {
    /// The libraries of which names are rewritten that mean the same.
    safe: u8,
    /// The libraries that were asked for.
    wanted: u8,
}

impl Default for Migrations {
    fn default() -> Self {
        Migrations {
            safe: bit(Library::AsyncTimeout) | bit(Library::Aiotools) | bit(Library::Asynkit),
            wanted: 0,
        }
    }
}

impl Migrations {
    /// No name of another library is touched.
    pub const NONE: Migrations = Migrations { safe: 0, wanted: 0 };

    /// Whether any name of a library is rewritten.
    #[must_use]
    pub fn includes(self, library: Library) -> bool {
        (self.safe | self.wanted) & bit(library) != 0
    }

    /// Whether a library was asked for by name.
    #[must_use]
    pub fn asks_for(self, library: Library) -> bool {
        self.wanted & bit(library) != 0
    }

    /// These, and everything of a library that has a counterpart.
    #[must_use]
    pub fn with(self, library: Library) -> Self {
        Migrations {
            safe: self.safe | bit(library),
            wanted: self.wanted | bit(library),
        }
    }
}

fn bit(library: Library) -> u8 {
    1 << library as u8
}
