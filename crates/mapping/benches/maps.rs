//! How long maps take: to load (a text of 100,000 lines), to open (a million users, compiled), and to be looked up
//! in, with one line and with a million. The first two are to stay below 200 and 50 ms.

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use mapping::{Client, CompiledMap, Context, Map, ResolvedMap};
use std::fmt::Write as _;
use std::hint::black_box;

/// The text of a map of so many users, with a range each as far as there are pairs of categories.
fn users(count: usize) -> String {
    (0..count).fold(String::new(), |mut text, number| {
        let (low, high) = (number % 1000, 1000 + number / 1000 % 24);
        writeln!(text, "user{number} user_webapp_t:s0:c{low},c{high}").expect("a string takes all");
        text
    })
}

fn compiled(text: &str) -> Vec<u8> {
    Map::parse(text.as_bytes()).expect("the map is good").compile().expect("it is not too large")
}

fn maps(criterion: &mut Criterion) {
    let server = Context::parse("system_u:system_r:httpd_t:s0").expect("it is a context");
    let text = users(100_000);
    criterion.bench_function("load a text of 100,000 lines", |bench| {
        bench.iter(|| CompiledMap::open(compiled(black_box(&text))).expect("it is whole"));
    });
    let million = compiled(&users(1_000_000));
    criterion.bench_function("open a compiled map of a million users", |bench| {
        bench.iter(|| {
            let map = CompiledMap::open(black_box(million.as_slice())).expect("it is whole");
            map.resolved(&server, |_| None).expect("no range is a name")
        });
    });
    for (name, map) in [("one line", compiled("user77 user_webapp_t:s0\n")), ("a million users", million)] {
        let map = CompiledMap::open(map.as_slice()).expect("it is whole").resolved(&server, |_| None);
        let map = ResolvedMap::open(map.expect("no range is a name")).expect("it is one");
        criterion.bench_function(&format!("find a user, {name}"), |bench| {
            let client = Client { user: Some(b"user77"), groups: &[], address: None };
            bench.iter_batched(|| client, |client| map.find(black_box(&client)), BatchSize::SmallInput);
        });
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(20);
    targets = maps
}
criterion_main!(benches);
