//! The modules that are rewritten together: what `patch("package.module.asyncio.sleep")` may rely on.
//!
//! A module is known by the path of its file, so that nothing has to be imported and no folder has to
//! be known as the root: `src/package/module.py` is `package.module` and `src.package.module`.

use std::sync::Arc;

use rustc_hash::FxHashMap;

/// The modules of a run; by default nothing is known of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Modules(Option<Arc<FxHashMap<String, Vec<String>>>>);

impl Modules {
    /// The modules in these files, whose paths have `/` or `\` between their parts.
    #[must_use]
    pub fn of_paths<'p>(paths: impl IntoIterator<Item = &'p str>) -> Self {
        let mut modules: FxHashMap<String, Vec<String>> = FxHashMap::default();
        for path in paths {
            let Some(name) = dotted_name(path) else {
                continue;
            };
            let last = name.rsplit('.').next().unwrap_or_default().to_owned();
            modules.entry(last).or_default().push(name);
        }
        Modules(Some(Arc::new(modules)))
    }

    /// Whether it is known which modules there are.
    #[must_use]
    pub fn are_known(&self) -> bool {
        self.0.is_some()
    }

    /// Whether a module with this dotted name is one of them.
    #[must_use]
    pub fn contains(&self, dotted: &str) -> bool {
        let Some(modules) = &self.0 else {
            return false;
        };
        let last = dotted.rsplit('.').next().unwrap_or_default();
        modules.get(last).is_some_and(|names| {
            names.iter().any(|name| {
                name.strip_suffix(dotted)
                    .is_some_and(|before| before.is_empty() || before.ends_with('.'))
            })
        })
    }
}

/// `package.module` for `package/module.py`, `package` for `package/__init__.py`.
fn dotted_name(path: &str) -> Option<String> {
    let stem = path.strip_suffix(".py")?;
    let mut parts: Vec<&str> = stem
        .split(['/', '\\'])
        .filter(|part| !part.is_empty() && *part != ".")
        .collect();
    if parts.last() == Some(&"__init__") {
        parts.pop();
    }
    (!parts.is_empty()).then(|| parts.join("."))
}

#[cfg(test)]
mod tests {
    use super::Modules;

    #[test]
    fn a_module_is_known_by_the_end_of_its_path() {
        let modules = Modules::of_paths([
            "src/shop/orders.py",
            "./src/shop/__init__.py",
            "C:\\code\\tools\\build.py",
            "README.md",
        ]);
        for known in ["shop", "shop.orders", "src.shop.orders", "tools.build"] {
            assert!(modules.contains(known), "{known}");
        }
        for unknown in [
            "op.orders",
            "orders.shop",
            "shop.order",
            "README",
            "__init__",
        ] {
            assert!(!modules.contains(unknown), "{unknown}");
        }
        assert!(!Modules::default().contains("shop"));
        assert!(!Modules::default().are_known());
    }
}
