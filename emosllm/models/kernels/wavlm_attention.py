"""WavLM's attention through PyTorch's fused kernel, its gated positions as the bias.

transformers writes down what each frame attends to, averages it over the heads and throws it away, and turns the frames
round on the way, so that PyTorch copies frozen weights once for every frame of a batch (on a CPU two clips of
WavLM-large took forty times as long as one). Here nobody reads those weights, and nothing is turned round: the same but
for rounding. Given up: attention weights, and dropout in them, which a frozen encoder has none of.
"""

import math

from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention
from transformers import PreTrainedModel
from transformers.models.wavlm.modeling_wavlm import WavLMAttention


class FusedWavLMAttention(WavLMAttention):
    """The weights of transformers' class under the names they have there, read in another way.

    Source: Chen et al. 2022, "WavLM", section III.B (gated relative position bias).
    """

    def forward(
        self,
        hidden_states: Tensor,
        attention_mask: Tensor | None = None,
        position_bias: Tensor | None = None,
        **unused: object,
    ) -> tuple[Tensor, None, Tensor]:
        """Attend.

        Args:
            hidden_states: `[A, N, D]`.
            attention_mask: `[A, N]`, true where a frame is no padding.
            position_bias: `[1, H, N, N]` as the first layer made it; `None` in the first.
            **unused: what else transformers tells its layers.

        Returns:
            `[A, N, D]`, no weights, and the bias for the next layer.
        """
        if position_bias is None:
            # Laid out as it will be read: it comes with its heads last in memory.
            position_bias = self.compute_bias(hidden_states.shape[1], hidden_states.shape[1])[None].contiguous()
        queries, keys, values = (
            projection(hidden_states).unflatten(-1, (self.num_heads, -1)).transpose(1, 2)  # [A, H, N, D_h]
            for projection in (self.q_proj, self.k_proj, self.v_proj)
        )
        unseen = hidden_states.new_zeros(1, 1, 1, hidden_states.shape[1])
        if attention_mask is not None:
            unseen = unseen.masked_fill(~attention_mask.bool()[:, None, None], -math.inf)  # [A, 1, 1, N]
        # In one pass: of four clips it is two million numbers a layer.
        bias = unseen.addcmul(self._gates(hidden_states), position_bias)
        seen = scaled_dot_product_attention(queries, keys, values, bias)
        return self.out_proj(seen.transpose(1, 2).flatten(2)), None, position_bias

    def _gates(self, hidden_states: Tensor) -> Tensor:
        """How much each frame makes of its positions in each head, `[A, H, N, 1]`."""
        heads = hidden_states.unflatten(-1, (self.num_heads, -1))  # [A, N, H, D_h]
        sums = self.gru_rel_pos_linear(heads).unflatten(-1, (2, -1)).sum(-1)  # [A, N, H, 2]
        update, reset = sums.sigmoid().transpose(1, 2).chunk(2, dim=-1)
        return update * (reset * self.gru_rel_pos_const - 1.0) + 2.0


def fuse_attention(model: PreTrainedModel) -> None:
    """Have a frozen WavLM attend so."""
    for module in model.modules():
        if type(module) is WavLMAttention:
            module.__class__ = FusedWavLMAttention
