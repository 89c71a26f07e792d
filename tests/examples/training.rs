//! The examples' networks: their sizes, the weights that come along, and the batches they are
//! trained with.

use std::collections::BTreeSet;

use crate::networks::Architecture;
use crate::problem::Batches;
use tch::nn::{ModuleT, VarStore};
use tch::{Device, Kind, Tensor};

#[test]
fn networks_have_the_parameters_that_the_documentation_says() {
    let expected = [
        (Architecture::Small, 6_138),
        (Architecture::Mnist, 390_410),
        (Architecture::Resnet, 77_754),
    ];
    for (architecture, parameters) in expected {
        let variables = VarStore::new(Device::Cpu);
        let network = architecture.build(&variables.root());
        let count: usize = variables.trainable_variables().iter().map(Tensor::numel).sum();
        assert_eq!(count, parameters, "{}", architecture.name());
        let output =
            network.forward_t(&Tensor::zeros([2, 1, 28, 28], (Kind::Float, Device::Cpu)), false);
        assert_eq!(output.size(), [2, 10]);
    }
}

#[test]
fn the_weights_that_come_along_are_of_their_networks() {
    for architecture in [Architecture::Small, Architecture::Resnet] {
        let mut variables = VarStore::new(Device::Cpu);
        let network = architecture.build(&variables.root());
        variables.load(architecture.weights(None, None).unwrap()).unwrap();
        let output =
            network.forward_t(&Tensor::zeros([1, 1, 28, 28], (Kind::Float, Device::Cpu)), false);
        // Untrained, they would be all alike.
        assert!(output.std(true).double_value(&[]) > 1.0, "{}: {output}", architecture.name());
    }
}

#[test]
fn an_epoch_has_no_example_twice_and_the_next_one_another_order() {
    let mut batches = Batches::new(10, 3, 7);
    assert_eq!(batches.steps_per_epoch(), 3);
    let mut epoch = || {
        let all: Vec<i64> =
            (0..3).flat_map(|_| Vec::<i64>::try_from(batches.next()).unwrap()).collect();
        assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), 9);
        all
    };
    let (first, second) = (epoch(), epoch());
    assert_ne!(first, second);
    let mut again = Batches::new(10, 3, 7);
    assert_eq!(Vec::<i64>::try_from(again.next()).unwrap(), first[..3]);
}
