// Products of tiles, for the level that has them.

#include "amx_contract.h"
#include "amx_product.h"

namespace recurra::RECURRA_LEVEL {

constexpr Products<float> tiles = {
    tiles_bytes,       tiles_panels, tiles_pack,             tiles_scratch,  tiles_product,
    kContractTileRows, tiles_units,  tiles_contract_scratch, tiles_contract,
};

}  // namespace recurra::RECURRA_LEVEL
