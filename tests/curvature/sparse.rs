//! An embedding's gradient may be sparse: everything is as with a dense one.

use perrin::Error;
use perrin::curvature::{LossHessian, SummaryOptions, gradient_noise, top_eigenpairs};
use perrin::linalg::lanczos::LanczosOptions;
use perrin::run::Eigenvectors;
use tch::nn::{self, Module, VarStore};
use tch::{Device, Kind, Tensor};

use crate::support::{assert_agree, irregular, matrix};

const BATCHES: [usize; 3] = [8, 5, 7];

/// Words of a vocabulary of 6, each in 2 numbers, sorted into 3 classes.
struct Words {
    store: VarStore,
    embedding: nn::Embedding,
    head: nn::Linear,
}

impl Words {
    fn new(sparse: bool) -> Words {
        let store = VarStore::new(Device::Cpu);
        let config = nn::EmbeddingConfig { sparse, ..Default::default() };
        let embedding = nn::embedding(store.root() / "words", 6, 2, config);
        let head = nn::linear(store.root() / "head", 2, 3, Default::default());
        for (number, mut tensor) in store.trainable_variables().into_iter().enumerate() {
            tch::no_grad(|| tensor.copy_(&irregular(&tensor.size(), number as f64, 1.0)));
        }
        Words { store, embedding, head }
    }

    fn loss(&self, batch: usize) -> Tensor {
        let ids: Vec<i64> =
            (0..BATCHES[batch] as i64).map(|i| (i * i + batch as i64) % 6).collect();
        let labels: Vec<i64> = ids.iter().map(|id| (id * 2 + batch as i64) % 3).collect();
        let logits = self.head.forward(&self.embedding.forward(&Tensor::from_slice(&ids)));
        logits.tanh().cross_entropy_for_logits(&Tensor::from_slice(&labels))
    }

    fn hessian(&self) -> LossHessian<'_> {
        LossHessian::new(&self.store, &BATCHES, |batch| self.loss(batch)).unwrap()
    }
}

#[test]
fn everything_is_as_with_a_dense_gradient() {
    let (dense, sparse) = (Words::new(false), Words::new(true));
    let (mut dense, mut sparse) = (dense.hessian(), sparse.hessian());
    assert_agree(&matrix(&mut sparse), &matrix(&mut dense), 1e-6);
    let gradient = |hessian: &mut LossHessian, batch| hessian.batch_gradient(batch).unwrap();
    for batch in 0..BATCHES.len() {
        let pairs = gradient(&mut dense, batch).into_iter().zip(gradient(&mut sparse, batch));
        pairs
            .for_each(|(dense, sparse)| assert!((dense - sparse).abs() < 1e-6, "{dense} {sparse}"));
    }
    let options = LanczosOptions::largest(3);
    let found = [
        top_eigenpairs(&mut dense, &options).unwrap(),
        top_eigenpairs(&mut sparse, &options).unwrap(),
    ];
    for (dense, sparse) in found[0].largest.iter().zip(&found[1].largest) {
        assert!(
            (dense.eigenvalue - sparse.eigenvalue).abs() < 1e-5 * found[0].largest[0].eigenvalue
        );
    }
    let noise = [
        gradient_noise(&mut dense, &found[0].largest),
        gradient_noise(&mut sparse, &found[0].largest),
    ];
    let [dense, sparse] = noise.map(|noise| noise.unwrap().trace.value);
    assert!(dense > 0.0 && (dense - sparse).abs() < 1e-5 * dense, "{dense} {sparse}");
}

/// After one batch, and not after a pass over all of them.
#[test]
fn a_loss_without_second_derivative_is_refused_at_once() {
    let store = VarStore::new(Device::Cpu);
    let x = store.root().add("x", irregular(&[8, 3], 1.0, 1.0), true);
    let other = irregular(&[5, 3], 2.0, 1.0);
    let calls = std::cell::Cell::new(0);
    let loss = |batch: usize| {
        calls.set(calls.get() + 1);
        Tensor::cdist(&x, &(&other + batch as f64 * 0.1), 2., None::<i64>)
            .square()
            .mean(Kind::Double)
    };
    let mut hessian = LossHessian::new(&store, &[5; 20], loss).unwrap();
    let refused = top_eigenpairs(&mut hessian, &LanczosOptions::largest(2)).unwrap_err();
    assert!(
        matches!(&refused, Error::NoSecondDerivative { operation, .. } if operation.contains("cdist")),
        "{refused}"
    );
    assert!(
        refused.to_string().contains("compute mode 1") && !refused.to_string().contains("frame #"),
        "{refused}"
    );
    assert_eq!(calls.replace(0), 1);
    let refused =
        hessian.summary(&Eigenvectors::default(), &SummaryOptions::default()).unwrap_err();
    assert!(matches!(refused, Error::NoSecondDerivative { .. }) && calls.get() == 1, "{refused}");
    // Its gradients are there.
    let direction = Eigenvectors {
        parameters: hessian.parameters(),
        eigenvalues: vec![1.0],
        ..Eigenvectors::from(vec![vec![24f32.sqrt().recip(); 24]])
    };
    let gradients_alone = SummaryOptions { trace: None, density: None, gradient_noise: true };
    assert!(
        hessian.summary(&direction, &gradients_alone).unwrap().gradient_noise.unwrap().trace.value
            > 0.0
    );
}
