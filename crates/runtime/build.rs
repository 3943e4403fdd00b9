//! Makes PyO3's conditions for Python versions (`Py_3_14` ...) known to this crate.

fn main() {
    pyo3_build_config::use_pyo3_cfgs();
}
