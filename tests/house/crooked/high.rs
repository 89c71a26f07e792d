use crate::low;
fn f() {
    crate::room::door::open()
}
#[cfg(test)]
mod tests {
    use crate::higher::Thing;
}
