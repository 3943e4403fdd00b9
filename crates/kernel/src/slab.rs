//! A slab with generation-checked keys: a key of a removed entry never finds the entry that took its place.
//!
//! Invariant: the free list runs through exactly the vacant entries.
//! Not here: iteration order; entries are found by key, lists run through links inside the entries.

use std::fmt;
use std::marker::PhantomData;

/// The key of an entry of a `Slab<T>`.
pub struct Key<T> {
    index: u32,
    generation: u32,
    of: PhantomData<fn() -> T>,
}

impl<T> Key<T> {
    pub fn index(self) -> usize {
        self.index as usize
    }
}

impl<T> Clone for Key<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Key<T> {}

impl<T> PartialEq for Key<T> {
    fn eq(&self, other: &Self) -> bool {
        self.index == other.index && self.generation == other.generation
    }
}

impl<T> Eq for Key<T> {}

impl<T> std::hash::Hash for Key<T> {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        (self.index, self.generation).hash(state);
    }
}

impl<T> fmt::Debug for Key<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}v{}", self.index, self.generation)
    }
}

enum Entry<T> {
    Vacant { next_free: Option<u32> },
    Occupied(T),
}

pub struct Slab<T> {
    entries: Vec<(u32, Entry<T>)>,
    free: Option<u32>,
    len: usize,
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Slab {
            entries: Vec::new(),
            free: None,
            len: 0,
        }
    }
}

impl<T> Slab<T> {
    pub fn len(&self) -> usize {
        self.len
    }

    pub fn insert(&mut self, value: T) -> Key<T> {
        self.len += 1;
        let index = match self.free {
            Some(index) => {
                let (_, entry) = &mut self.entries[index as usize];
                if let Entry::Vacant { next_free } = entry {
                    self.free = *next_free;
                }
                *entry = Entry::Occupied(value);
                index
            }
            None => {
                let index =
                    u32::try_from(self.entries.len()).expect("fewer than 4 billion entries");
                self.entries.push((0, Entry::Occupied(value)));
                index
            }
        };
        Key {
            index,
            generation: self.entries[index as usize].0,
            of: PhantomData,
        }
    }

    /// The key that the next `insert` gives.
    pub fn vacant_key(&self) -> Key<T> {
        let index = self.free.unwrap_or(self.entries.len() as u32);
        let generation = self
            .entries
            .get(index as usize)
            .map_or(0, |(generation, _)| *generation);
        Key {
            index,
            generation,
            of: PhantomData,
        }
    }

    pub fn remove(&mut self, key: Key<T>) -> Option<T> {
        let (generation, entry) = self.entries.get_mut(key.index())?;
        if *generation != key.generation || matches!(entry, Entry::Vacant { .. }) {
            return None;
        }
        *generation = generation.wrapping_add(1);
        let vacant = Entry::Vacant {
            next_free: self.free,
        };
        self.free = Some(key.index);
        self.len -= 1;
        match std::mem::replace(entry, vacant) {
            Entry::Occupied(value) => Some(value),
            Entry::Vacant { .. } => None,
        }
    }

    #[inline]
    pub fn get(&self, key: Key<T>) -> Option<&T> {
        match self.entries.get(key.index()) {
            Some((generation, Entry::Occupied(value))) if *generation == key.generation => {
                Some(value)
            }
            _ => None,
        }
    }

    #[inline]
    pub fn get_mut(&mut self, key: Key<T>) -> Option<&mut T> {
        match self.entries.get_mut(key.index()) {
            Some((generation, Entry::Occupied(value))) if *generation == key.generation => {
                Some(value)
            }
            _ => None,
        }
    }

    #[cfg(any(test, feature = "oracle"))]
    pub fn iter(&self) -> impl Iterator<Item = (Key<T>, &T)> {
        self.entries
            .iter()
            .enumerate()
            .filter_map(|(index, (generation, entry))| match entry {
                Entry::Occupied(value) => Some((
                    Key {
                        index: index as u32,
                        generation: *generation,
                        of: PhantomData,
                    },
                    value,
                )),
                Entry::Vacant { .. } => None,
            })
    }
}

/// A link to a live entry: the kernel's own links never dangle (I1), so they need no `Option` at each step.
impl<T> std::ops::Index<Key<T>> for Slab<T> {
    type Output = T;

    #[inline]
    fn index(&self, key: Key<T>) -> &T {
        self.get(key)
            .expect("a link of the kernel points to a live entry")
    }
}

impl<T> std::ops::IndexMut<Key<T>> for Slab<T> {
    #[inline]
    fn index_mut(&mut self, key: Key<T>) -> &mut T {
        self.get_mut(key)
            .expect("a link of the kernel points to a live entry")
    }
}
