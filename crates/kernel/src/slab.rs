//! A slab with generation-checked keys: a key of a removed entry never finds the entry that took its place.
//!
//! Invariant: the free list runs through every vacant place but those that are used up.
//! A place is used up when its generations are: it stays vacant, so that no key ever comes back.
//!
//! Every operation takes constant time (`insert` amortised, as `Vec::push`).
//! Not here: iteration; entries are found by key, lists run through links inside the entries.

use std::fmt;
use std::marker::PhantomData;
use std::num::NonZeroU32;

/// The key of an entry of a `Slab<T>`: 8 bytes, and no more as `Option<Key<T>>`.
pub struct Key<T> {
    index: u32,
    generation: Generation,
    of: PhantomData<fn() -> T>,
}

/// The number of the entry in its place, from 1, so that zero is left to mean no key; the last marks a used up place.
type Generation = NonZeroU32;

impl<T> Key<T> {
    fn new(index: usize, generation: Generation) -> Self {
        Key {
            index: u32::try_from(index).expect("a slab has fewer than 4 billion places"),
            generation,
            of: PhantomData,
        }
    }

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

#[derive(Clone)]
enum Place<T> {
    Vacant { next_free: Option<u32> },
    Occupied(T),
}

#[derive(Clone)]
pub struct Slab<T> {
    places: Vec<(Generation, Place<T>)>,
    free: Option<u32>,
    len: usize,
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Slab {
            places: Vec::new(),
            free: None,
            len: 0,
        }
    }
}

impl<T> Slab<T> {
    pub fn len(&self) -> usize {
        self.len
    }

    #[inline]
    pub fn insert(&mut self, value: T) -> Key<T> {
        let key = self.vacant_key();
        match self.places.get_mut(key.index()) {
            Some((_, place)) => {
                if let Place::Vacant { next_free } = place {
                    self.free = *next_free;
                }
                *place = Place::Occupied(value);
            }
            None => self.places.push((key.generation, Place::Occupied(value))),
        }
        self.len += 1;
        key
    }

    /// The key that the next `insert` gives.
    pub fn vacant_key(&self) -> Key<T> {
        match self.free {
            Some(index) => Key::new(index as usize, self.places[index as usize].0),
            None => Key::new(self.places.len(), Generation::MIN),
        }
    }

    #[inline]
    pub fn remove(&mut self, key: Key<T>) -> Option<T> {
        let (generation, place) = self.places.get_mut(key.index())?;
        if *generation != key.generation || matches!(place, Place::Vacant { .. }) {
            return None;
        }
        *generation = generation.saturating_add(1);
        let mut next_free = None;
        if *generation < Generation::MAX {
            next_free = self.free.replace(key.index);
        }
        self.len -= 1;
        match std::mem::replace(place, Place::Vacant { next_free }) {
            Place::Occupied(value) => Some(value),
            Place::Vacant { .. } => None,
        }
    }

    #[inline]
    pub fn get(&self, key: Key<T>) -> Option<&T> {
        match self.places.get(key.index()) {
            Some((generation, Place::Occupied(value))) if *generation == key.generation => {
                Some(value)
            }
            _ => None,
        }
    }

    #[inline]
    pub fn get_mut(&mut self, key: Key<T>) -> Option<&mut T> {
        match self.places.get_mut(key.index()) {
            Some((generation, Place::Occupied(value))) if *generation == key.generation => {
                Some(value)
            }
            _ => None,
        }
    }

    pub fn values(&self) -> impl Iterator<Item = &T> {
        self.places.iter().filter_map(|(_, place)| match place {
            Place::Occupied(value) => Some(value),
            Place::Vacant { .. } => None,
        })
    }

    #[cfg(any(test, feature = "oracle"))]
    pub fn iter(&self) -> impl Iterator<Item = (Key<T>, &T)> {
        let places = self.places.iter().enumerate();
        places.filter_map(|(index, (generation, place))| match place {
            Place::Occupied(value) => Some((Key::new(index, *generation), value)),
            Place::Vacant { .. } => None,
        })
    }

    /// Lets an entry's place be used this many times more, with the same entry at the end.
    #[cfg(test)]
    pub fn age(&mut self, key: Key<T>, times: u32) -> Key<T> {
        let generation = &mut self.places[key.index()].0;
        *generation = generation.saturating_add(times);
        Key::new(key.index(), *generation)
    }

    /// Damage for the oracle to find: vacant places that nobody finds any more.
    #[cfg(test)]
    pub fn lose_the_free_list(&mut self) {
        self.free = None;
    }

    /// How many places there are, and how many of them are used up.
    #[cfg(any(test, feature = "oracle"))]
    pub fn places(&self) -> (usize, usize) {
        let vacant = |place: &Place<T>| matches!(place, Place::Vacant { .. });
        let places = self.places.iter();
        let used_up =
            places.filter(|(generation, place)| vacant(place) && *generation == Generation::MAX);
        (self.places.len(), used_up.count())
    }

    /// The places that the next entries take, in this order.
    #[cfg(any(test, feature = "oracle"))]
    pub fn free_list(&self) -> Vec<u32> {
        let mut list = Vec::new();
        let mut at = self.free;
        while let Some(index) = at {
            assert!(list.len() < self.places.len(), "the free list has an end");
            list.push(index);
            at = match &self.places[index as usize].1 {
                Place::Vacant { next_free } => *next_free,
                Place::Occupied(_) => panic!("the free list runs through vacant places"),
            };
        }
        list
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
