fn f() -> crate::high::Thing {}
