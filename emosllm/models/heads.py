"""Classification head on the encoder's frames, for systems without an LLM."""

import torch
from torch import Tensor, nn

from emosllm.models.encoders.hidden_states import HiddenStates
from emosllm.models.transformer_layer import forward_layer


class ClassHead(nn.Module):
    """Transformer layers over the frames, pooling over time, one linear layer to the classes.

    As in the mappers, a linear layer to the head's width (none where it equals the encoder's) precedes post-norm layers
    without position embeddings. Padding is masked, so the logits of a clip do not depend on its batch. Without
    transformer layers it is a linear probe, like emotion2vec's own head.

    Source: AA-SLLM, section 3.3.1 ("w/o LLM": one 1024-wide layer on a frozen encoder; its count of 5.26 M fits a
    feed-forward width of 512).

    Args:
        frame_width: D of the encoder's frames.
        classes: K.
        layers: transformer layers.
        width: width of the transformer layers.
        heads: attention heads a layer.
        feedforward: width of their feed-forward blocks.
        dropout: in attention, feed-forward and residual.
        pooling: `mean` over the frames, or `attention`: a learned weight for each frame.
        hidden_states: converts the encoder's hidden states to frames; by default frames are not changed.
    """

    def __init__(
        self,
        frame_width: int,
        classes: int,
        *,
        layers: int = 1,
        width: int = 1024,
        heads: int = 8,
        feedforward: int = 512,
        dropout: float = 0.1,
        pooling: str = "mean",
        hidden_states: HiddenStates | None = None,
    ) -> None:
        super().__init__()
        self.hidden_states = hidden_states or HiddenStates(frame_width)
        width = width if layers else frame_width
        self.input = nn.Identity() if frame_width == width else nn.Linear(frame_width, width)
        self.layers = None
        if layers:
            layer = nn.TransformerEncoderLayer(width, heads, feedforward, dropout, activation="gelu", batch_first=True)
            self.layers = nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)
        self.attention = nn.Linear(width, 1) if pooling == "attention" else None
        self.output = nn.Linear(width, classes)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the layers' weight matrices Xavier-uniform (`nn.TransformerEncoder` copies one layer)."""
        for parameter in self.layers.parameters() if self.layers is not None else ():
            if parameter.dim() > 1:
                nn.init.xavier_uniform_(parameter)

    def forward(self, frames: Tensor, mask: Tensor) -> Tensor:
        """Logits of the classes.

        Args:
            frames: `[A, N, D]`, or `[A, N, S, D]` where hidden states are mixed.
            mask: `[A, N]` bool, true where a frame is speech and not padding.

        Returns:
            `[A, K]`.
        """
        hidden = self.input(self.hidden_states(frames, mask))
        for layer in self.layers.layers if self.layers is not None else ():
            hidden = forward_layer(layer, hidden, hidden, mask)
        weights = hidden.new_zeros(mask.shape) if self.attention is None else self.attention(hidden)[..., 0]
        shares = weights.masked_fill(~mask, float("-inf")).softmax(-1)  # [A, N]; equal weights give the mean
        return self.output(torch.einsum("an,and->ad", shares, hidden))
